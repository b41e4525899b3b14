package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.DType;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingPlace;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/**
 * Compares GPTQ and AWQ models with PyTorch, transformers and PEFT, which use the dequantized weights in F32
 * (benchmarks/peers/quantized_golden.py). With dtype F32, the engine also dequantizes the weights, and only the order
 * of summation differs. With quantized weights, the engine also rounds x to 8 bits, with an error of at most 1/254 of
 * the largest element of a group.
 */
class QuantizedGoldenTest {
    private static final double ROUNDED = 1.0 / 254;
    /** The number of products in the model's layer and head. */
    private static final int PRODUCTS = 5;

    private static Weights weights(Golden golden, DType dtype) {
        Precision precision = Precision.of(true, golden.model.stored(), dtype, DType.F32);
        return Weights.load(golden.context, golden.config, precision, Rank.SINGLE, golden.model, (done, of) -> { });
    }

    @ParameterizedTest
    @CsvSource({"gptq, F32", "gptq,", "awq, F32", "awq,"})
    void logProbabilitiesAreThoseOfTransformers(String method, DType dtype) {
        try (Golden golden = Golden.quantized(method);
                Generator generator = new Generator(weights(golden, dtype), null, GeneratorConfig.of(40, 4, 64),
                        Silent::new, List.of())) {
            List<TrainingSequence> sequences = golden.sequences();
            for (int i = 0; i < sequences.size(); i++) {
                float[] expected = floats(golden.expected.node("log_probabilities").get(i));
                Request request = new Request(sequences.get(i).ids(), 1, 0, SamplingParams.greedy(1), -1, true);
                float[] found = generator.generate(List.of(request)).getFirst().getFirst().promptLogProbabilities();
                double tolerance = dtype == null ? 4 * Math.sqrt(PRODUCTS) * ROUNDED * largest(expected) : 2e-5;
                assertArrayEquals(expected, Arrays.copyOfRange(found, 1, found.length), (float) tolerance);
            }
        }
    }

    /**
     * With quantized weights, x is rounded to 8 bits. AVX-512 BF16 and AMX also round dy and W to bf16, so the
     * tolerance is doubled for them.
     */
    @ParameterizedTest
    @CsvSource({"F32, 1e-5", ", 0.01"})
    void tenLoraStepsLoseWhatPeftLoses(DType dtype, double plain) {
        try (Golden golden = Golden.quantized("gptq")) {
            boolean rounds = dtype == null && List.of("avx512_bf16", "amx").contains(golden.context.device().isa());
            double tolerance = rounds ? 2 * plain : plain;
            LoraParameters parameters = new LoraParameters(golden.context, TrainingPlace.alone(golden.config),
                    golden.lora(), 1, golden.memory());
            parameters.load(golden.adapter("before"));
            DecoderTraining training = new DecoderTraining(golden.context, weights(golden, dtype), parameters,
                    golden.memory());
            List<MicroBatch> batches = golden.batches();
            JsonNode losses = golden.expected.object("lora_run").node("losses");
            for (int step = 1; step <= 10; step++) {
                double loss = Golden.step(training, parameters, List.of(batches.get((step - 1) % 2)),
                        golden.optimizer(), new int[] {step, 10})[0];
                double expected = losses.get(step - 1).doubleValue();
                assertEquals(expected, loss, tolerance * expected, "loss of step " + step);
            }
        }
    }

    private static double largest(float[] values) {
        double largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    private static float[] floats(JsonNode numbers) {
        float[] values = new float[numbers.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = numbers.get(i).floatValue();
        }
        return values;
    }

    /** A decoder that returns no text. */
    private static final class Silent implements StreamingDecoder {
        @Override
        public String append(int id) {
            return "";
        }

        @Override
        public String flush() {
            return "";
        }
    }
}
