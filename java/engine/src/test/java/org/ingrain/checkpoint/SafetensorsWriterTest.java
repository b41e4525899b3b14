package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
    @TempDir
    private Path folder;

    /**
     * The expected header is the header that {@code save_file} of safetensors 0.8 (Python) writes for these tensors.
     */
    @Test
    void writesTheBytesThatTheSafetensorsLibraryWrites() throws IOException {
        Path file = folder.resolve("x.safetensors");
        SafetensorsWriter.write(file, List.of(
                new TensorOutput("half", DType.BF16, new long[] {2},
                        () -> MemorySegment.ofArray(new short[] {0x3F80, 0x4000})),
                TensorOutput.of("b", new float[] {1, 2}, 2, 1), TensorOutput.of("a", new float[] {3}, 1)));
        byte[] bytes = Files.readAllBytes(file);
        String header =
                "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
                + "\"half\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]}}";
        int length = (header.length() + 7) / 8 * 8;
        assertEquals(header, new String(bytes, 8, length, StandardCharsets.UTF_8).stripTrailing());
        assertArrayEquals(new byte[] {(byte) length, (byte) (length >> 8), 0, 0, 0, 0, 0, 0}, Arrays.copyOf(bytes, 8));
        try (Safetensors read = Safetensors.open(file)) {
            assertEquals(Map.of("format", "pt"), read.metadata());
            assertEquals(2f, read.data("b").get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4));
            assertEquals((short) 0x4000, read.data("half").get(ValueLayout.JAVA_SHORT_UNALIGNED, 2));
        }
    }

    @Test
    void cutsAModelIntoShardsInTheOrderOfItsTensors() throws IOException {
        List<TensorOutput> tensors = List.of(TensorOutput.of("c", new float[3], 3),
                TensorOutput.of("a", new float[3], 3), TensorOutput.of("b", new float[8], 8));
        SafetensorsWriter.writeModel(folder, tensors, 24);
        JsonFields index = JsonFields.read(folder.resolve("model.safetensors.index.json"));
        assertEquals(56, index.object("metadata").integer("total_size"));
        JsonFields map = index.object("weight_map");
        assertEquals("model-00001-of-00002.safetensors", map.text("a"));
        assertEquals("model-00001-of-00002.safetensors", map.text("c"));
        assertEquals("model-00002-of-00002.safetensors", map.text("b"));
        SafetensorsWriter.writeModel(folder, tensors, 56);
        assertTrue(Files.exists(folder.resolve("model.safetensors")));
    }

    @Test
    void leavesNothingWhereItFails() throws IOException {
        Path file = folder.resolve("x.safetensors");
        assertThrows(IllegalStateException.class, () ->
                SafetensorsWriter.write(file, List.of(TensorOutput.of("a", new float[3], 4))));
        assertThrows(IllegalArgumentException.class,
                () -> SafetensorsWriter.write(file, List.of(
                        TensorOutput.of("a", new float[3], 3), TensorOutput.of("a", new float[3], 3))));
        assertThrows(IllegalArgumentException.class, () -> SafetensorsWriter.write(file,
                List.of(TensorOutput.of("a", new float[1], 1), new TensorOutput("b", DType.F32, new long[] {1}, () -> {
                    throw new IllegalArgumentException("no content");
                }))));
        try (Stream<Path> left = Files.list(folder)) {
            assertFalse(left.findAny().isPresent());
        }
        InputException refused = assertThrows(InputException.class,
                () -> SafetensorsWriter.write(Files.writeString(folder.resolve("file"), "").resolve("x.safetensors"),
                        List.of(TensorOutput.of("a", new float[1], 1))));
        assertTrue(refused.getMessage().contains("x.safetensors: cannot be written"), refused.getMessage());
    }
}
