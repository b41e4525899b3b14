package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ingrain.files.DurableFolder;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.train.Golden;
import org.ingrain.train.TrainingFixture;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingPlace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class MergeTest {
    @TempDir
    Path folder;

    private static PeftAdapter adapter(Golden golden, Map<String, HostTensor> saved) {
        List<String> targets = LoraConfig.ALL_LINEAR.stream().map(Projection::target).toList();
        return new PeftAdapter(AdapterConfig.of("base", 4, 8, 0, targets), golden.adapter("after"), saved);
    }

    @Test
    void aMergedModelLosesWhatTheAdaptedOneLoses() {
        try (Golden golden = new Golden("untied", 2)) {
            TrainingMemory memory = golden.memory();
            LoraParameters lora = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                    golden.lora(), 1, memory);
            lora.load(golden.adapter("after"));
            new Merge(golden.model, adapter(golden, Map.of())).write(folder.resolve("merged"), (done, of) -> { });
            LoraParameters none = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                    golden.lora(), 1, memory);
            try (ModelFolder merged = ModelFolder.open(folder.resolve("merged"))) {
                Weights weights = Weights.load(golden.context, merged.config(),
                        new Precision(DType.F32, DType.F32, DType.F32), Rank.SINGLE, merged, (done, of) -> { });
                for (MicroBatch batch : golden.batches()) {
                    double adapted = new DecoderTraining(golden.context, golden.weights(), lora, memory).loss(batch);
                    double unadapted = new DecoderTraining(golden.context, golden.weights(), none, memory).loss(batch);
                    double ofMerged = new DecoderTraining(golden.context, weights, none, memory).loss(batch);
                    assertEquals(adapted, ofMerged, 1e-5 * adapted);
                    assertTrue(Math.abs(adapted - unadapted) > 0.01 * adapted, "the adapter does something");
                }
            }
        }
    }

    /** A copy of the golden model in another dtype. */
    private Path rounded(Golden golden, DType dtype) {
        List<TensorOutput> outputs = new ArrayList<>();
        for (String name : golden.model.names()) {
            HostTensor w = golden.model.tensor(name);
            MemorySegment data = Arena.ofAuto().allocate(w.elements() * dtype.bytes());
            HostFloats.write(data, dtype, 0, Golden.floats(w.data()));
            outputs.add(TensorOutput.of(name, new HostTensor(dtype, w.shape(), data)));
        }
        Path copy = folder.resolve(dtype.name());
        DurableFolder.write(copy, inner -> ModelFolderWriter.write(
                inner, golden.folder, golden.config, outputs, SafetensorsWriter.SHARD_BYTES));
        return copy;
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    void weightsKeepTheirTypeAndAreRoundedOnce(DType dtype) {
        try (Golden golden = new Golden("tied", 1); ModelFolder base = ModelFolder.open(rounded(golden, dtype))) {
            new Merge(base, adapter(golden, Map.of())).write(folder.resolve("merged"), (done, of) -> { });
            LoraModule module = golden.adapter("after").get(10);
            String name = module.projection().weightName(module.layer());
            try (ModelFolder merged = ModelFolder.open(folder.resolve("merged"))) {
                assertEquals(base.names(), merged.names());
                HostTensor w = base.tensor(name);
                int columns = (int) w.shape()[1];
                float[] before = new float[(int) w.elements()];
                HostFloats.read(before, w.data(), dtype, 0);
                float[] expected = new float[before.length];
                for (int i = 0; i < before.length; i++) {
                    double delta = 0;
                    for (int r = 0; r < module.rank(); r++) {
                        delta += (double) module.b()[i / columns * module.rank() + r]
                                * module.a()[r * columns + i % columns];
                    }
                    expected[i] = (float) (before[i] + module.scaling() * delta);
                }
                assertEquals(dtype, merged.tensor(name).dtype());
                float[] found = new float[before.length];
                HostFloats.read(found, merged.tensor(name).data(), dtype, 0);
                // In BF16, the tolerance is half a unit in the last place of a value below 2. In F32 it is 4 times such
                // a half unit, because the merge sums in F32.
                assertArrayEquals(expected, found, dtype == DType.BF16 ? 0x1p-8f : dtype == DType.F16
                        ? 0x1p-11f : 0x1p-22f);
                String norm = "model.norm.weight";
                assertEquals(-1, base.tensor(norm).data().mismatch(merged.tensor(norm).data()),
                        "a tensor without an adapter must not change");
            }
        }
    }

    @Test
    void modulesThatAreStoredWholeTakeTheirPlace() {
        try (Golden golden = new Golden("untied", 1)) {
            HostTensor head = golden.model.tensor("lm_head.weight");
            float[] values = new float[(int) head.elements()];
            values[5] = 2.5f;
            HostTensor saved = new HostTensor(DType.F32, head.shape(), Arena.ofAuto().allocate(head.data().byteSize()));
            HostFloats.write(saved.data(), DType.F32, 0, values);
            new Merge(golden.model, adapter(golden, Map.of("lm_head.weight", saved)))
                    .write(folder.resolve("merged"), (done, of) -> { });
            try (ModelFolder merged = ModelFolder.open(folder.resolve("merged"))) {
                assertArrayEquals(values, Golden.floats(merged.tensor("lm_head.weight").data()));
            }
        }
    }

    /**
     * If one of two tied tensors is replaced, the other tensor keeps its values, as in PEFT. The two tensors of the
     * result are then not tied.
     */
    @ParameterizedTest
    @ValueSource(strings = {"model.embed_tokens.weight", "lm_head.weight"})
    void oneEndOfATieAloneIsReplaced(String end) {
        try (Golden golden = new Golden("tied", 1)) {
            HostTensor old = golden.model.tensor("model.embed_tokens.weight");
            HostTensor saved = new HostTensor(DType.F32, old.shape(), Arena.ofAuto().allocate(old.elements() * 4));
            HostFloats.write(saved.data(), DType.F32, 0, new float[(int) old.elements()]);
            new Merge(golden.model, adapter(golden, Map.of(end, saved)))
                    .write(folder.resolve("merged"), (done, of) -> { });
            try (ModelFolder merged = ModelFolder.open(folder.resolve("merged"))) {
                assertEquals(golden.config.untied(), merged.config());
                String other = end.equals("lm_head.weight") ? "model.embed_tokens.weight" : "lm_head.weight";
                assertArrayEquals(Golden.floats(saved.data()), Golden.floats(merged.tensor(end).data()));
                assertArrayEquals(Golden.floats(old.data()), Golden.floats(merged.tensor(other).data()));
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefusedAndNothingIsWritten() throws IOException {
        try (Golden golden = new Golden("tied", 1)) {
            HostTensor norm = golden.model.tensor("model.norm.weight");
            assertTrue(assertThrows(InputException.class,
                    () -> new Merge(golden.model, adapter(golden, Map.of("score.weight", norm))))
                    .getMessage().contains("has no tensor 'score.weight'"));
            Path full = Files.createDirectory(folder.resolve("full"));
            Files.writeString(full.resolve("note"), "mine");
            assertThrows(InputException.class, () -> new Merge(golden.model, adapter(golden, Map.of()))
                    .write(full, (done, of) -> { }));
            assertEquals(List.of("note"), TrainingFixture.names(full));
            assertEquals(List.of(full), DurableFolder.list(folder));
        }
    }

    @Test
    void bf16RoundsToNearestEven() {
        assertEquals((short) 0x3f80, HostFloats.bf16(1 + 0x1p-8f));
        assertEquals((short) 0x3f82, HostFloats.bf16(1 + 0x1.8p-7f));
        assertEquals((short) 0x7f80, HostFloats.bf16(Float.POSITIVE_INFINITY));
        assertTrue(Float.isNaN(Float.intBitsToFloat(HostFloats.bf16(Float.NaN) << 16)));
    }
}
