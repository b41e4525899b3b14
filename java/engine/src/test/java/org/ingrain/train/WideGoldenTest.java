package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.DType;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingPlace;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Trains two layers of Llama-2-70B's width and compares the results with PyTorch's. Before the test,
 * benchmarks/peers/wide_golden.py must have written weights and results on the same machine. The system property
 * {@code ingrain.golden.folder} names the folder of these files.
 */
@Tag("gpu")
class WideGoldenTest {
    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F32", "BF16"})
    void tenLoraStepsLoseWhatPeftLoses(DType dtype) {
        String folder = System.getProperty("ingrain.golden.folder");
        assumeTrue(folder != null, "skipped: ingrain.golden.folder is not set");
        try (Golden golden = new Golden(Path.of(folder), 0)) {
            TrainingMemory memory = golden.memory();
            LoraParameters parameters = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                    golden.lora(), 1, memory);
            parameters.load(golden.adapter("before"));
            DecoderTraining training = new DecoderTraining(golden.context, golden.weights(dtype), parameters, memory);
            List<MicroBatch> batches = golden.batches();
            JsonFields run = golden.expected.object("lora_run");
            for (int step = 1; step <= 10; step++) {
                double[] lossAndNorm = Golden.step(training, parameters, List.of(batches.get((step - 1) % 2)),
                        golden.optimizer(), new int[] {step, 10});
                double loss = run.node("losses").get(step - 1).doubleValue();
                // In F32, PyTorch adds the 28,672 terms of a sum in another order. In BF16, each rounded weight or
                // activation has a relative error of up to 2⁻⁸, but most of these errors cancel in the mean.
                assertEquals(loss, lossAndNorm[0], (dtype == DType.F32 ? 1e-4 : 1e-2) * loss, "loss of step " + step);
                double norm = run.node("grad_norms").get(step - 1).doubleValue();
                assertEquals(norm, lossAndNorm[1], (dtype == DType.F32 ? 1e-3 : 1e-1) * norm,
                        "gradient norm of step " + step);
            }
        }
    }
}
