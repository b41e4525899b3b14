package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.ingrain.checkpoint.Safetensors;
import org.ingrain.files.JsonFields;
import org.ingrain.model.LoraModule;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.FullParameters;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingPlace;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Compares training with PyTorch and PEFT, with the same initial weights and batches. The models have grouped-query
 * attention and tied or untied heads.
 */
class DecoderTrainingGoldenTest {
    private static void assertRun(JsonFields run, int step, double[] lossAndNorm) {
        double loss = run.node("losses").get(step - 1).doubleValue();
        double norm = run.node("grad_norms").get(step - 1).doubleValue();
        assertEquals(loss, lossAndNorm[0], 1e-5 * loss, "loss of step " + step);
        assertEquals(norm, lossAndNorm[1], 1e-4 * norm, "gradient norm of step " + step);
    }

    @ParameterizedTest
    @ValueSource(strings = {"tied", "untied"})
    void tenLoraStepsLoseWhatPeftLoses(String name) {
        try (Golden golden = new Golden(name, 2)) {
            TrainingMemory memory = golden.memory();
            LoraParameters parameters = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                    golden.lora(), 1, memory);
            parameters.load(golden.adapter("before"));
            DecoderTraining training = new DecoderTraining(golden.context, golden.weights(), parameters, memory);
            List<MicroBatch> batches = golden.batches();
            for (int step = 1; step <= 10; step++) {
                assertRun(golden.expected.object("lora_run"), step, Golden.step(training, parameters,
                        List.of(batches.get((step - 1) % 2)), golden.optimizer(), new int[] {step, 10}));
            }
            List<LoraModule> expected = golden.adapter("after");
            List<LoraModule> found = parameters.modules();
            for (int i = 0; i < expected.size(); i++) {
                // Each of the ten steps changes an element by at most 5e-3, so the ten steps together change it by at
                // most 5e-2. The tolerance is less than a thousandth of this.
                assertArrayEquals(expected.get(i).a(), found.get(i).a(), 2e-5f,
                        "lora_A of " + found.get(i).projection());
                assertArrayEquals(expected.get(i).b(), found.get(i).b(), 2e-5f,
                        "lora_B of " + found.get(i).projection());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"tied", "untied"})
    void fiveFullStepsLoseWhatPyTorchLoses(String name) {
        try (Golden golden = new Golden(name, 2)) {
            FullParameters parameters = FullParameters.load(golden.weights(), golden.model);
            DecoderTraining training = new DecoderTraining(
                    golden.context, parameters.weights(), parameters, golden.memory());
            List<MicroBatch> batches = golden.batches();
            for (int step = 1; step <= 5; step++) {
                assertRun(golden.expected.object("full_run"), step, Golden.step(training, parameters,
                        List.of(batches.get((step - 1) % 2)), golden.optimizer(), new int[] {step, 5}));
            }
            try (Safetensors after = Safetensors.open(golden.folder.resolve("full_after.safetensors"))) {
                assertEquals(after.names().size(), parameters.named().size());
                parameters.named().forEach((parameter, master) -> assertArrayEquals(
                        Golden.floats(after.data(parameter)), golden.context.readFloats(master), 2e-5f, parameter));
            }
        }
    }
}
