package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.ingrain.checkpoint.HostFloats;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.model.Adapter;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.run.TrainingRun;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests the lab model with weights that are quantized when they are loaded. */
class QuantizedTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final GeneratorConfig SMALL = GeneratorConfig.of(128, 4, 64).withBlockSize(16);

    @TempDir
    private Path temp;

    private static ModelOptions options(String dtype) {
        return ModelOptions.of(LAB).withThreads(2).withDtype(dtype);
    }

    static Stream<Arguments> dtypesAndBackends() {
        List<String> backends = List.of(System.getProperty("ingrain.targets", "cpu,simt,cuda").split(","));
        return backends.stream().flatMap(backend -> Stream.of(Arguments.of("int8", backend),
                Arguments.of("int4", backend)));
    }

    private static Completion answer(Engine engine, Generator generator, int slot) {
        int[] prompt = engine.encode(List.of(Message.user("Spell the word \"Ann\".")));
        Request request = new Request(prompt, 1, 0, SamplingParams.greedy(12), slot, true);
        return generator.generate(List.of(request)).getFirst().getFirst();
    }

    private static Completion answer(ModelOptions options) {
        try (Engine engine = Engine.open(options); Generator generator = engine.generator(SMALL)) {
            return answer(engine, generator, -1);
        }
    }

    private static double meanLogProbability(Completion completion) {
        float[] all = completion.promptLogProbabilities();
        double sum = 0;
        for (int i = 1; i < all.length; i++) {
            sum += all[i];
        }
        return sum / (all.length - 1);
    }

    /** The answer stays the same. A token's mean log-probability changes by at most 0.02 nats (int8) or 0.2 (int4). */
    @ParameterizedTest
    @MethodSource("dtypesAndBackends")
    void answersAreThoseOfBf16(String dtype, String backend) {
        Completion expected = answer(options("bf16"));
        Completion found;
        try {
            found = answer(options(dtype).withDevice(backend));
        } catch (InputException absent) {
            Assumptions.assumeFalse(backend.equals("cuda"), absent.getMessage());
            throw absent;
        }
        assertEquals(expected.text(), found.text());
        assertEquals(meanLogProbability(expected), meanLogProbability(found), dtype.equals("int8") ? 0.02 : 0.2);
        assertFalse(Arrays.equals(expected.promptLogProbabilities(), found.promptLogProbabilities()));
    }

    /** Results do not depend on the number of threads. */
    @ParameterizedTest
    @CsvSource({"int8", "int4"})
    void threadsChangeNoBit(String dtype) {
        assertArrayEquals(answer(options(dtype).withThreads(1)).promptLogProbabilities(),
                answer(options(dtype).withThreads(3)).promptLogProbabilities());
    }

    /** The plan has the size of the integers and scales: 1 + 1/16 bytes per element for int8, 1/2 + 1/16 for int4. */
    @Test
    void thePlanCountsIntegersAndScales() {
        try (Engine bf16 = Engine.open(options("bf16")); Engine int8 = Engine.open(options("int8"));
                Engine int4 = Engine.open(options("int4"))) {
            double whole = weights(bf16);
            assertEquals((1 + 1 / 16.0) / 2, weights(int8) / whole, 0.03);
            assertEquals((0.5 + 1 / 16.0) / 2, weights(int4) / whole, 0.06);   // the embedding has 8 bits
            assertNotEquals(int8.fingerprint(), int4.fingerprint());
        }
    }

    private static double weights(Engine engine) {
        return engine.plan(SMALL, 0, 0).getFirst().parts().stream().filter(part -> part.name().equals("weights"))
                .mapToLong(MemoryPlan.Part::bytes).sum();
    }

    @Test
    void ranksThatWouldDivideAGroupAreRefused() {
        String message = assertThrows(InputException.class, () -> Engine.open(options("int8")
                .withParallel(new ParallelConfig(2, 1)))).getMessage();
        assertEquals("tensorParallelSize: 2, expected one of [1] for 4 heads, 4 key-value heads and an "
                + "intermediate_size of 352; columns are divided into 8 chunks, which must consist of whole groups of "
                + "32 columns", message);
    }

    @ParameterizedTest
    @CsvSource({"int8", "int4"})
    void allWeightsCannotBeTrained(String dtype) {
        try (Engine engine = Engine.open(options(dtype))) {
            assertEquals("dtype: " + dtype + ", expected f32 or bf16 to train all weights",
                    assertThrows(InputException.class, engine::requireFullTraining).getMessage());
        }
    }

    @Test
    void theCacheHasNoIntegers() {
        assertEquals("cacheDtype: 'int8', expected one of auto, f32, bf16, fp8", assertThrows(InputException.class,
                () -> new ModelOptions(LAB, "cpu", 0, "auto", "auto", "int8", false, List.of(), WeightsOptions.LOADED,
                        ParallelConfig.AUTO, Optional.empty())).getMessage());
    }

    /**
     * The head that an adapter brings is quantized, too. With the values of the model's head it changes no bit, and
     * with doubled values it doubles the logits.
     */
    @Test
    void savedTablesAreQuantizedToo() {
        try (Engine engine = Engine.open(options("int8")); ModelFolder folder = ModelFolder.open(LAB)) {
            HostTensor table = folder.tensor("model.embed_tokens.weight");
            Adapter same = new Adapter(List.of(), Map.of("lm_head.weight", table));
            try (Generator generator = engine.generator(SMALL, same)) {
                Completion base = answer(engine, generator, -1);
                generator.loadAdapter(0, same);
                assertArrayEquals(base.promptLogProbabilities(),
                        answer(engine, generator, 0).promptLogProbabilities());
                generator.loadAdapter(0, new Adapter(List.of(), Map.of("lm_head.weight", doubled(table))));
                Completion sharper = answer(engine, generator, 0);
                assertArrayEquals(base.ids(), sharper.ids());
                assertTrue(sharper.logProbabilities()[0] > base.logProbabilities()[0]);
            }
        }
    }

    private static HostTensor doubled(HostTensor table) {
        float[] values = new float[Math.toIntExact(table.elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = 2 * Float.intBitsToFloat(
                    table.data().getAtIndex(ValueLayout.JAVA_SHORT_UNALIGNED, i) << 16);
        }
        MemorySegment data = Arena.ofAuto().allocate(table.data().byteSize());
        HostFloats.write(data, table.dtype(), 0, values);
        return new HostTensor(table.dtype(), table.shape(), data);
    }

    private List<Double> losses(String dtype, String isa) throws IOException {
        Path rows = temp.resolve("rows.jsonl");
        Files.writeString(rows, "{\"prompt\": \"Spell the word \\\"Ann\\\".\", \"completion\": \"b c d\"}\n");
        try (Engine engine = Engine.open(options(dtype).withIsa(isa))) {
            var data = TrainingDataReader.read(DataConfig.of(rows, null, 64), engine.tokenizer(), engine.template(), 0);
            TrainingRun run = new TrainingRun(temp.resolve(isa + dtype), data, OptimizerConfig.of(3e-3),
                    TrainConfig.of(10, 1, 0), engine.modelFingerprint());
            List<Double> losses = new ArrayList<>();
            try (Trainer trainer = engine.trainer(LoraConfig.of(4, 8), List.of(), run)) {
                trainer.train(step -> losses.add(step.loss()));
            }
            return losses;
        }
    }

    /**
     * The losses of an adapter are similar on frozen integer weights and on frozen bf16 weights. "auto" may choose an
     * instruction set that rounds dy and W to bf16 in the backward pass; then the losses differ more.
     */
    @ParameterizedTest
    @CsvSource({"avx2, 0.03", "auto, 0.05"})
    void tenLossesAreNearThoseOfBf16(String isa, double tolerance) throws IOException {
        List<Double> expected = losses("bf16", isa);
        assertEquals(10, expected.size());
        assertTrue(expected.getLast() < expected.getFirst() / 2, expected.toString());
        for (String dtype : List.of("int8", "int4")) {
            List<Double> found = losses(dtype, isa);
            for (int i = 0; i < expected.size(); i++) {
                assertEquals(expected.get(i), found.get(i), (dtype.equals("int8") ? tolerance : 0.2) * expected.get(i),
                        dtype + " " + found + " beside " + expected);
            }
        }
    }
}
