package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
    private static final String TWO = "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
            + "'b':{'dtype':'BF16','shape':[2,2],'data_offsets':[8,16]}}";

    @TempDir
    private Path folder;

    @Test
    void readsTensorsInTheOrderOfTheirBytes() throws IOException {
        Path file = write("{'__metadata__':{'format':'pt'},'b':{'dtype':'BF16','shape':[2,2],'data_offsets':[8,16]},"
                + "'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}  ", 16);
        try (Safetensors opened = Safetensors.open(file)) {
            assertEquals(List.of("a", "b"), List.copyOf(opened.names()));
            assertEquals(Map.of("format", "pt"), opened.metadata());
            TensorInfo b = opened.info("b");
            assertEquals(DType.BF16, b.dtype().orElseThrow());
            assertArrayEquals(new long[] {2, 2}, b.shape());
            assertEquals(4, b.elements());
            assertArrayEquals(new byte[] {8, 9, 10, 11, 12, 13, 14, 15},
                    opened.data("b").toArray(ValueLayout.JAVA_BYTE));
        }
    }

    /** Reads the number of resident pages of a mapping, which Linux counts (Rss in /proc/self/smaps). */
    @Test
    void aReadLeavesNoPageOfTheFileInMemory() throws IOException {
        Path file = folder.resolve("large.safetensors");
        float[] values = new float[2 << 20];
        values[values.length - 1] = 3;
        SafetensorsWriter.write(file, List.of(TensorOutput.of("w", values, new long[] {values.length})));
        try (Safetensors opened = Safetensors.open(file); Arena arena = Arena.ofConfined()) {
            HostTensor tensor = HostFloats.tensor(opened, "w");
            MemorySegment half = arena.allocate(tensor.data().byteSize() / 2);
            tensor.reader().read(half.byteSize(), half);
            assertEquals(3, half.getAtIndex(ValueLayout.JAVA_FLOAT, values.length / 2 - 1));
            assertTrue(residentKib(file) <= 128, residentKib(file) + " KiB");
            assertEquals(-1, half.mismatch(tensor.data().asSlice(half.byteSize())));
            assertTrue(residentKib(file) > 1024, "the mapping was read");
        }
    }

    private static long residentKib(Path file) throws IOException {
        List<String> maps = Files.readAllLines(Path.of("/proc/self/smaps"));
        int at = IntStream.range(0, maps.size()).filter(i -> maps.get(i).endsWith(file.toString())).findFirst()
                .orElseThrow();
        return maps.subList(at, maps.size()).stream().filter(line -> line.startsWith("Rss:"))
                .map(line -> line.replaceAll("\\D", "")).mapToLong(Long::parseLong).findFirst().orElseThrow();
    }

    @Test
    void readsScalarsAndEmptyTensors() throws IOException {
        Path file = write("{'scalar':{'dtype':'F32','shape':[],'data_offsets':[0,4]},'empty':{'dtype':'F32',"
                + "'shape':[0,7],'data_offsets':[4,4]}}", 4);
        try (Safetensors opened = Safetensors.open(file)) {
            assertEquals(1, opened.info("scalar").elements());
            assertEquals(0, opened.data("empty").byteSize());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "tensor 'b': ends at byte 16 of the data, but the file has 15|15|" + TWO,
        "has 17 bytes of data, but its tensors end at 16|17|" + TWO,
        "tensor 'b': begins at byte 4 and overlaps|12|{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
                + "'b':{'dtype':'BF16','shape':[2,2],'data_offsets':[4,12]}}",
        "tensor 'b': begins at byte 12, leaving a hole after byte 8|20|{'a':{'dtype':'F32','shape':[2],"
                + "'data_offsets':[0,8]},'b':{'dtype':'BF16','shape':[2,2],'data_offsets':[12,20]}}",
        "tensor 'a': has 8 bytes, expected 12 for F32 [3]|8|{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}}",
        "tensor 'a': dtype is F7, expected one of|8|{'a':{'dtype':'F7','shape':[8],'data_offsets':[0,8]}}",
        "tensor 'a': data_offsets are [8,0], expected [begin, end]|8|{'a':{'dtype':'F32','shape':[2],"
                + "'data_offsets':[8,0]}}",
        "tensor 'a': data_offsets is [-8,0], expected a list of integers, none negative|8|{'a':{'dtype':'F32',"
                + "'shape':[2],'data_offsets':[-8,0]}}",
        "tensor 'a': shape is missing|8|{'a':{'dtype':'F32','data_offsets':[0,8]}}",
        "tensor 'a': a tensor of its shape would be larger than any file can be|8|{'a':{'dtype':'F32',"
                + "'shape':[4611686018427387904,4],'data_offsets':[0,8]}}",
        "header: malformed JSON at byte|8|{'a':{'dtype':'F32'",
        "the header is not a JSON object|8|[]",
        "expected an object with dtype, shape and data_offsets|8|{'a':3}",
    })
    void refusesABrokenHeader(String complaint, int dataBytes, String header) throws IOException {
        refused(complaint, write(header, dataBytes));
    }

    @Test
    void refusesANameThatStandsTwice() throws IOException {
        Path file = write("{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'a':{'dtype':'F32','shape':[2],"
                + "'data_offsets':[0,8]}}", 8);
        assertTrue(refused("header: malformed JSON", file).contains("\"a\""));
    }

    @Test
    void refusesAHeaderThatIsLongerThanTheFile() throws IOException {
        Path file = folder.resolve("long.safetensors");
        Files.write(file, ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN).putLong(4000).array());
        refused("the header claims 4000 bytes, but the file has 20", file);
        Files.write(file, ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN).putLong(-1).array());
        refused("the header claims 18446744073709551615 bytes", file);
        Files.write(file, new byte[5]);
        refused("has 5 bytes, too few", file);
    }

    @Test
    void refusesWhatIsNotThere() throws IOException {
        refused("no such file", folder.resolve("absent.safetensors"));
        refused("not a file", folder);
        try (Safetensors opened = Safetensors.open(write(TWO, 16))) {
            InputException missing = assertThrows(InputException.class, () -> opened.data("c"));
            assertEquals(opened.file() + ": tensor 'c' is missing", missing.getMessage());
        }
    }

    private Path write(String header, int dataBytes) throws IOException {
        byte[] json = header.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(json.length).put(json);
        for (int i = 0; i < dataBytes; i++) {
            bytes.put((byte) i);
        }
        return Files.write(folder.resolve("model.safetensors"), bytes.array());
    }

    private static String refused(String complaint, Path file) {
        String message = assertThrows(InputException.class, () -> Safetensors.open(file)).getMessage();
        assertTrue(message.startsWith(file + ": ") && message.contains(complaint), message);
        assertEquals(1, message.lines().count(), message);
        return message;
    }
}
