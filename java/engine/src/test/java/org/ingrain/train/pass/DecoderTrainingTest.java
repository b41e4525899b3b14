package org.ingrain.train.pass;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.ingrain.ffi.Inspect;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.Golden;
import org.ingrain.train.TrainingFixture;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.TrainingSequence;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests properties of gradients. DecoderTrainingGoldenTest checks the values of gradients. */
class DecoderTrainingTest {
    /** Number of layers of both golden models. */
    private static final int LAYERS = 2;
    private static final LoraConfig DROPPING = new LoraConfig(4, 8, 0.3, LoraConfig.ALL_LINEAR, false);

    /** The result of one pass, or of several accumulated passes: the sum of the losses and the gradients. */
    private record Pass(double loss, float[] gradients) {
    }

    private static Pass run(Golden golden, Parameters parameters, TrainingMemory memory, List<MicroBatch> batches,
            int step) {
        int targets = batches.stream().mapToInt(MicroBatch::targetCount).sum();
        parameters.flat().zeroGradients();
        try (DecoderTraining training = new DecoderTraining(golden.context, golden.weights(), parameters, memory)) {
            double loss = 0;
            for (MicroBatch batch : batches) {
                loss += training.accumulate(batch, step, 0, 1f / targets);
            }
            return new Pass(loss, golden.context.readFloats(parameters.flat().gradients()));
        }
    }

    private static LoraParameters lora(Golden golden, LoraConfig config, TrainingMemory memory, boolean trained) {
        LoraParameters parameters = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                config, 5, memory);
        if (trained) {
            parameters.load(golden.adapter("after").stream()
                    .filter(m -> config.targetModules().contains(m.projection())).toList());
        }
        return parameters;
    }

    private static List<MicroBatch> joined(Golden golden) {
        return List.of(MicroBatch.of(golden.sequences()));
    }

    private static TrainingMemory roomy(int keptLayers) {
        return new TrainingMemory(new MicroBatchLimits(1200, 60, 1200), keptLayers);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void computingLayersAgainChangesNoBit(boolean full) {
        List<Pass> passes = new ArrayList<>();
        for (int kept = 1; kept <= LAYERS; kept++) {
            try (Golden golden = new Golden("untied", 2)) {
                Parameters parameters = full ? FullParameters.load(golden.weights(), golden.model)
                        : lora(golden, DROPPING, roomy(kept), true);
                passes.add(run(golden, parameters, roomy(kept), joined(golden), 3));
            }
        }
        for (Pass pass : passes) {
            assertEquals(passes.getFirst().loss, pass.loss);
            assertArrayEquals(passes.getFirst().gradients, pass.gradients);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void oneThreadAndTwoGiveTheSameBits(boolean full) {
        List<Pass> passes = new ArrayList<>();
        for (int threads = 1; threads <= 2; threads++) {
            try (Golden golden = new Golden("tied", threads)) {
                Parameters parameters = full ? FullParameters.load(golden.weights(), golden.model)
                        : lora(golden, DROPPING, roomy(LAYERS), true);
                passes.add(run(golden, parameters, roomy(LAYERS), joined(golden), 3));
            }
        }
        assertEquals(passes.get(0).loss, passes.get(1).loss);
        assertArrayEquals(passes.get(0).gradients, passes.get(1).gradients);
    }

    @Test
    void aFreshAdapterChangesNothing() {
        try (Golden golden = new Golden("untied", 2)) {
            Parameters none = FullParameters.load(golden.weights(), golden.model);
            Parameters fresh = lora(golden, DROPPING, roomy(LAYERS), false);
            List<Double> losses = new ArrayList<>();
            for (Parameters parameters : List.of(none, fresh)) {
                try (DecoderTraining training = new DecoderTraining(
                        golden.context, golden.weights(), parameters, roomy(LAYERS))) {
                    losses.add(training.loss(joined(golden).getFirst()));
                }
            }
            assertEquals(losses.get(0), losses.get(1));
        }
    }

    @Test
    void accumulatedBatchesEqualOneBigBatch() {
        try (Golden golden = new Golden("tied", 2)) {
            LoraConfig still = LoraConfig.of(4, 8);
            Pass big = run(golden, lora(golden, still, roomy(LAYERS), true), roomy(LAYERS), joined(golden), 1);
            List<MicroBatch> alone = golden.sequences().stream().map(s -> MicroBatch.of(List.of(s))).toList();
            Pass small = run(golden, lora(golden, still, roomy(LAYERS), true), roomy(LAYERS), alone, 1);
            assertEquals(big.loss, small.loss, 1e-12 * big.loss,
                    "the rows have the same losses, and these are summed as doubles");
            assertClose(big.gradients, small.gradients, 1e-6f);
        }
    }

    /** Compares elements whose order of summation may differ. The tolerance is a fraction of the largest value. */
    private static void assertClose(float[] expected, float[] found, float share) {
        float largest = 0;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        assertTrue(largest > 0);
        assertArrayEquals(expected, found, share * largest);
    }

    /**
     * The loss is computed in chunks of rows. In this test there are several chunks, and the last chunk is not full.
     */
    @Test
    void manyTargetRowsEqualFewAtATime() {
        try (Golden golden = new Golden("untied", 2)) {
            List<TrainingSequence> sequences = TrainingFixture.sequences(50, 9);
            MicroBatch all = MicroBatch.of(sequences);
            assertTrue(all.targetCount() > 2 * TrainingActivations.HEAD_ROWS, all.targetCount() + " targets");
            Parameters parameters = FullParameters.load(golden.weights(), golden.model);
            Pass big = run(golden, parameters, roomy(LAYERS), List.of(all), 1);
            Pass small = run(golden, parameters, roomy(LAYERS),
                    sequences.stream().map(s -> MicroBatch.of(List.of(s))).toList(), 1);
            assertEquals(big.loss, small.loss, 1e-12 * big.loss);
            assertClose(big.gradients, small.gradients, 1e-5f);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"DOWN_PROJ", "O_PROJ,UP_PROJ", "K_PROJ", "GATE_PROJ"})
    void fewerTargetsHaveTheSameGradients(String targets) {
        Set<Projection> chosen = EnumSet.noneOf(Projection.class);
        Arrays.stream(targets.split(",")).map(Projection::valueOf).forEach(chosen::add);
        try (Golden golden = new Golden("tied", 2)) {
            // While B is zero, an adapter changes neither its module's output nor the inputs of other modules.
            LoraConfig few = new LoraConfig(4, 8, 0, chosen, false);
            LoraParameters all = lora(golden, LoraConfig.of(4, 8), roomy(LAYERS), false);
            LoraParameters some = lora(golden, few, roomy(LAYERS), false);
            run(golden, all, roomy(LAYERS), joined(golden), 1);
            run(golden, some, roomy(LAYERS), joined(golden), 1);
            List<LoraModule> expected = gradients(golden, all).stream().filter(m -> chosen.contains(m.projection()))
                    .toList();
            List<LoraModule> found = gradients(golden, some);
            assertEquals(2 * chosen.size(), found.size());
            for (int i = 0; i < found.size(); i++) {
                assertEquals(expected.get(i).projection(), found.get(i).projection());
                assertArrayEquals(expected.get(i).b(), found.get(i).b());
                assertTrue(norm(found.get(i).b()) > 0);
            }
        }
    }

    /** Returns the gradients in the form of an adapter, and overwrites the values of the parameters with them. */
    private static List<LoraModule> gradients(Golden golden, LoraParameters parameters) {
        Tensor values = parameters.flat().state().getFirst();
        golden.context.copy(values, parameters.flat().gradients());
        return parameters.modules();
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value * (double) value;
        }
        return Math.sqrt(sum);
    }

    @Test
    void dropoutDependsOnTheStepAlone() {
        try (Golden golden = new Golden("tied", 2)) {
            LoraParameters parameters = lora(golden, DROPPING, roomy(LAYERS), true);
            Pass first = run(golden, parameters, roomy(LAYERS), joined(golden), 1);
            Pass second = run(golden, parameters, roomy(LAYERS), joined(golden), 2);
            Pass again = run(golden, parameters, roomy(LAYERS), joined(golden), 1);
            assertArrayEquals(first.gradients, again.gradients);
            assertEquals(first.loss, again.loss);
            assertFalse(Arrays.equals(first.gradients, second.gradients));
        }
    }

    @Test
    void theAdapterBeginsAsPeftsDoes() {
        try (Golden golden = new Golden("tied", 1)) {
            for (LoraModule module : lora(golden, DROPPING, roomy(LAYERS), false).modules()) {
                long columns = golden.config.parameters().get(module.layer(), module.projection()).columns();
                double bound = 1 / Math.sqrt(columns);
                double largest = 0;
                for (float a : module.a()) {
                    largest = Math.max(largest, Math.abs(a));
                }
                assertTrue(largest <= bound && largest > 0.9 * bound,
                        module.projection() + ": " + largest + " of " + bound);
                assertEquals(0, norm(module.b()));
            }
        }
    }

    /** Training allocates exactly the number of bytes that the memory plan states. */
    @Test
    void plannedBytesAreAllocated() {
        for (int kept = 1; kept <= LAYERS; kept++) {
            try (Golden golden = new Golden("untied", 1)) {
                TrainingMemory memory = golden.memory(kept);
                var weights = golden.weights();
                long before = Inspect.allocatedBytes(golden.context);
                LoraParameters lora = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                        DROPPING, 5, memory);
                DecoderTraining training = new DecoderTraining(golden.context, weights, lora, memory);
                long workspace = golden.context.workspaceBytes();
                assertEquals(memory.loraBytes(weights, DROPPING, 1) - workspace,
                        Inspect.allocatedBytes(golden.context) - before);
                training.close();
                lora.close();
                assertEquals(before, Inspect.allocatedBytes(golden.context));
                FullParameters full = FullParameters.load(weights, golden.model);
                training = new DecoderTraining(golden.context, weights, full, memory);
                assertEquals(memory.fullBytes(weights, 1) - workspace, Inspect.allocatedBytes(golden.context) - before);
                training.close();
                full.close();
                assertEquals(before, Inspect.allocatedBytes(golden.context));
            }
        }
    }
}
