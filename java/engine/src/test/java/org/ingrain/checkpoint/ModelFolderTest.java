package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.ingrain.files.DurableFolder;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.RopeScaling;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.TestFolders;
import org.ingrain.tokenizer.SpecialTokens;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelFolderTest {
    private static final Blueprint CONFIG = new Blueprint(64, 96, 2, new AttentionConfig(4, 2, 16), 100, 128, 1e-5,
            new RopeConfig(500_000, new RopeScaling.Llama3(8, 1, 4, 32)), true, DType.BF16);
    private static final SpecialTokens SPECIALS = new SpecialTokens(
            OptionalInt.of(1), List.of(2, 3), OptionalInt.empty());
    private static final List<TensorOutput> TENSORS = List.of(
            TensorOutput.of("a", new float[] {1, 2}, 2), TensorOutput.of("b", new float[] {3}, 1));

    @TempDir
    private Path folder;

    @Test
    void readsOneFileAndShardsAlike() throws IOException {
        for (long shardBytes : new long[] {1000, 8}) {
            Path model = folder.resolve("model" + shardBytes);
            Files.createDirectories(model);
            ConfigWriter.write(model.resolve("config.json"), CONFIG, SPECIALS);
            SafetensorsWriter.writeModel(model, TENSORS, shardBytes);
            try (ModelFolder opened = ModelFolder.open(model)) {
                assertEquals(CONFIG, opened.config());
                assertEquals(SPECIALS, SpecialTokens.read(model));
                assertEquals(Set.of("a", "b"), opened.names());
                assertEquals(2f, opened.tensor("a").data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4));
                assertEquals(1, opened.tensor("b").elements());
                assertFalse(opened.has("c"));
                assertEquals(shardBytes == 8 ? model.resolve(ModelFolder.INDEX) + ": tensor 'c' is missing"
                        : model.resolve(ModelFolder.SINGLE) + ": tensor 'c' is missing",
                        complaint(() -> opened.tensor("c")));
                assertTrue(opened.file("config.json").isPresent() && opened.file("tokenizer.json").isEmpty());
            }
        }
    }

    @Test
    void refusesAFolderThatIsNoModel() throws IOException {
        assertEquals(folder.resolve("absent") + ": no such folder", open(folder.resolve("absent")));
        assertEquals(folder + ": has no config.json, so it is not a model folder", open(folder));
        ConfigWriter.write(folder.resolve("config.json"), CONFIG, SPECIALS);
        assertTrue(open(folder).startsWith(folder + ": has no model.safetensors and no model.safetensors.index.json"));
    }

    @Test
    void refusesBrokenShards() throws IOException {
        ConfigWriter.write(folder.resolve("config.json"), CONFIG, SPECIALS);
        SafetensorsWriter.writeModel(folder, TENSORS, 8);
        Path index = folder.resolve(ModelFolder.INDEX);
        String whole = Files.readString(index);
        Files.writeString(index, whole.replace("\"a\" : \"model-00001-of", "\"a\" : \"model-00002-of"));
        assertEquals(folder.resolve("model-00002-of-00002.safetensors") + ": tensor 'a' is missing", open(folder));
        Files.writeString(index, whole.replace("\"a\" : \"model-00001-of-00002", "\"a\" : \"../model-00001-of-00002"));
        assertEquals(index + ": weight_map: a: '../model-00001-of-00002.safetensors', expected the name of a file in "
                + folder, open(folder));
        Files.writeString(index, whole);
        SafetensorsWriter.write(folder.resolve("model-00002-of-00002.safetensors"), TENSORS);
        assertTrue(open(folder).startsWith(folder.resolve("model-00002-of-00002.safetensors")
                + ": tensor 'a' is also in model-00001"));
        Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
        assertEquals(index + ": shard model-00002-of-00002.safetensors is missing from the folder", open(folder));
    }

    @Test
    void refusesAWeightOfIntegers() throws IOException {
        ConfigWriter.write(folder.resolve("config.json"), CONFIG, SPECIALS);
        SafetensorsWriter.writeModel(folder, List.of(new TensorOutput("ids", DType.I64, new long[] {1},
                () -> MemorySegment.ofArray(new long[1]))), 100);
        try (ModelFolder opened = ModelFolder.open(folder)) {
            assertTrue(complaint(() -> opened.tensor("ids"))
                    .endsWith("tensor 'ids' has dtype I64, expected F64, F32, BF16 or F16"));
        }
    }

    /** Buffers are not listed as weights, whatever their dtype. F64 weights are rounded. */
    @Test
    void readsBesideTensorsOfAnyType() throws IOException {
        ConfigWriter.write(folder.resolve("config.json"), CONFIG, SPECIALS);
        String header = """
                {"mask":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},\
                "scale":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[3,4]},\
                "nibbles":{"dtype":"F4","shape":[2,4],"data_offsets":[4,8]},\
                "w":{"dtype":"F64","shape":[2],"data_offsets":[8,24]}}""";
        ByteBuffer file = ByteBuffer.allocate(8 + header.length() + 24).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(header.length()).put(header.getBytes(StandardCharsets.UTF_8)).putLong(0).putDouble(0.1)
                .putDouble(-2);
        Files.write(folder.resolve(ModelFolder.SINGLE), file.array());
        try (ModelFolder opened = ModelFolder.open(folder)) {
            assertEquals(Set.of("w"), opened.names());
            assertEquals(DType.F32, opened.tensor("w").dtype());
            assertEquals(0.1f, opened.tensor("w").data().get(ValueLayout.JAVA_FLOAT, 0));
            assertEquals(-2f, opened.tensor("w").data().get(ValueLayout.JAVA_FLOAT, 4));
            assertTrue(complaint(() -> opened.tensor("mask"))
                    .endsWith("has dtype BOOL, expected F64, F32, BF16 or F16"));
        }
    }

    @Test
    void refusesATiedHeadThatDiffers() throws IOException {
        ConfigWriter.write(folder.resolve("config.json"), CONFIG, SPECIALS);
        TensorOutput embedding = TensorOutput.of("model.embed_tokens.weight", new float[] {1, 2}, 2);
        SafetensorsWriter.writeModel(folder,
                List.of(embedding, TensorOutput.of("lm_head.weight", new float[] {1, 2}, 2)), 100);
        ModelFolder.open(folder).close();
        SafetensorsWriter.writeModel(folder,
                List.of(embedding, TensorOutput.of("lm_head.weight", new float[] {1, 3}, 2)), 100);
        assertTrue(open(folder).endsWith("tensor 'lm_head.weight' differs from 'model.embed_tokens.weight', expected "
                + "the same values, since tie_word_embeddings is true in config.json"), open(folder));
    }

    @Test
    void writesAFolderWithAnothersTokenizer() throws IOException {
        Path base = Files.createDirectories(folder.resolve("base"));
        Files.writeString(base.resolve("tokenizer.json"), "tokens");
        Files.writeString(base.resolve("generation_config.json"), "{\"bos_token_id\":1,\"eos_token_id\":[2,3]}");
        Path written = folder.resolve("written");
        DurableFolder.write(written, inner -> ModelFolderWriter.write(
                inner, base, CONFIG, TENSORS, SafetensorsWriter.SHARD_BYTES));
        try (ModelFolder opened = ModelFolder.open(written)) {
            assertEquals(CONFIG, opened.config());
            assertEquals(SPECIALS, SpecialTokens.read(written));
        }
        assertEquals("tokens", Files.readString(written.resolve("tokenizer.json")));
        assertEquals(List.of(base, written), DurableFolder.list(folder));
        assertEquals(written + ": is already there, expected a new folder",
                complaint(() -> DurableFolder.write(written,
                        inner -> ModelFolderWriter.write(inner, base, CONFIG, TENSORS, 100))));
        Path failed = folder.resolve("failed");
        assertThrows(IllegalStateException.class,
                () -> DurableFolder.write(failed, inner ->
                        ModelFolderWriter.write(inner, base, CONFIG, List.of(TensorOutput.of("a", new float[2], 3)),
                                100)));
        assertEquals(List.of(base, written), DurableFolder.list(folder));
    }

    @Test
    void opensTheRealModels() {
        try (ModelFolder stories = ModelFolder.open(TestFolders.model("stories15M"));
                ModelFolder chat = ModelFolder.open(TestFolders.model("minimind2-small"))) {
            assertEquals(new Blueprint(288, 768, 6, new AttentionConfig(6, 6, 48), 32000, 256, 1e-5,
                    RopeConfig.of(10_000), true, DType.F32), stories.config());
            assertEquals(List.of(1, 2), SpecialTokens.read(stories.path()).eosIds());
            assertEquals(new Blueprint(512, 1408, 8, new AttentionConfig(8, 2, 64), 6400, 32768, 1e-5,
                    RopeConfig.of(1e6), true, DType.F16), chat.config());
            assertEquals(DType.BF16, chat.tensor("model.embed_tokens.weight").dtype());
        }
    }

    private static String open(Path model) {
        return complaint(() -> ModelFolder.open(model));
    }

    private static String complaint(Runnable call) {
        String message = assertThrows(InputException.class, call::run).getMessage();
        assertEquals(1, message.lines().count(), message);
        return message;
    }
}
