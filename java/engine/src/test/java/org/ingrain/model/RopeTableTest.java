package org.ingrain.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.ingrain.tensor.DType;
import org.junit.jupiter.api.Test;

/** Golden values: transformers 5.18, LlamaRotaryEmbedding on the CPU. */
class RopeTableTest {
    @Test
    void defaultAgreesWithTransformers() {
        int[] pairs = {0, 1, 5, 17, 31};
        float[] table = table(64, RopeConfig.of(1e6), 32768, pairs,
                new float[] {1, 0.649381638f, 0.115478203f, 0.000649381662f, 1.53992653e-06f});
        row(table, 64, 0, pairs, new double[] {1, 1, 1, 1, 1}, new double[] {0, 0, 0, 0, 0});
        row(table, 64, 777, pairs, new double[] {-0.517718196, -0.337159544, -0.190009549, 0.875382662, 0.999999285},
                new double[] {-0.855551183, 0.941447556, 0.981782258, 0.483430654, 0.00119652273});
        row(table, 64, 32767, pairs, new double[] {0.982263327, -0.960495293, 0.173205733, -0.756495297, 0.998727202},
                new double[] {0.187506557, -0.278296173, 0.984885693, 0.65399909, 0.0504373647});
    }

    @Test
    void linearAgreesWithTransformers() {
        int[] pairs = {0, 3, 11, 23};
        float[] table = table(48, new RopeConfig(1e4, new RopeScaling.Linear(4)), 8192, pairs,
                new float[] {0.25f, 0.079056941f, 0.00366949802f, 3.66949898e-05f});
        row(table, 48, 8191, pairs, new double[] {0.842757821, 0.925919652, 0.210149482, 0.955168307},
                new double[] {-0.538292885, 0.377720594, -0.977669299, 0.296063423});
    }

    @Test
    void llama3AgreesWithTransformers() {
        int[] pairs = {0, 16, 28, 30, 32, 34, 36, 40, 63};
        float[] table = table(128, new RopeConfig(5e5, new RopeScaling.Llama3(8, 1, 4, 8192)), 131072, pairs,
                new float[] {1, 0.0376060307f, 0.00321144611f, 0.00137189368f, 0.000524846022f, 0.000178507791f,
                        7.78465546e-05f,
                    3.42810235e-05f, 3.06892588e-07f});
        row(table, 128, 100, pairs,
                new double[] {0.862318873, -0.814453125, 0.948874772, 0.990604281, 0.998623013, 0.999840677,
                        0.999969721, 0.999994099, 1},
                new double[] {-0.506365657, -0.580229402, 0.315652847, 0.136759445, 0.0524605103, 0.0178498309,
                        0.00778457662,
                    0.00342809572, 3.0689258e-05});
        row(table, 128, 131071, pairs,
                new double[] {-0.817983508, -0.995121777, 0.998944223, -0.735295177, 0.948304296, -0.164006695,
                        -0.711864114,
                    -0.217391238, 0.999191105},
                new double[] {-0.575241685, 0.0986541584, -0.0459396914, -0.677747011, -0.317362607, -0.986459196,
                        -0.702317238,
                    -0.97608453, 0.0402138717});
    }

    @Test
    void yarnAgreesWithTransformers() {
        int[] pairs = {0, 20, 24, 30, 36, 40, 46, 63};
        RopeScaling qwen = new RopeScaling.Yarn(4, 32768, 32, 1, true, RopeScaling.Yarn.attentionFactor(4, 1));
        float[] table = table(128, new RopeConfig(1e6, qwen), 131072, pairs,
                new float[] {1, 0.0133352149f, 0.00537532149f, 0.00106436096f, 0.000179841154f, 4.44569851e-05f,
                        1.21741887e-05f, 3.10234441e-07f});
        row(table, 128, 100, pairs,
                new double[] {0.981861651, 0.267640203, 0.978054106, 1.13218594, 1.13844526, 1.13861811, 1.1386286,
                        1.13862944},
                new double[] {-0.576562822, 1.10672748, 0.582998455, 0.120962583, 0.0204761401, 0.00506198686,
                        0.00138618855, 3.53242067e-05});
        row(table, 128, 131071, pairs,
                new double[] {-0.931380093, 0.481199473, 0.766740739, 0.329979211, 0.0114038065, 1.02220345,
                        -0.0283338837, 1.13768828},
                new double[] {-0.654987097, 1.03195167, 0.841775298, 1.08976638, -1.13857234, -0.501574576, 1.13827682,
                        0.0462870337});
    }

    /**
     * {@code truncate} is false, so the bounds of the interpolated range are not rounded to whole pairs. {@code mscale}
     * is 1 and {@code mscale_all_dim} is 0.5.
     */
    @Test
    void yarnWithEverySettingAgreesWithTransformers() {
        int[] pairs = {0, 20, 24, 30, 36, 40, 46, 63};
        double attention = RopeScaling.Yarn.attentionFactor(40, 1) / RopeScaling.Yarn.attentionFactor(40, 0.5);
        float[] table = table(128, new RopeConfig(1e4, new RopeScaling.Yarn(40, 4096, 16, 2, false, attention)), 163840,
                pairs, new float[] {1, 0.0562341288f, 0.0316227786f, 0.00952086132f, 0.00173821871f, 0.000123952457f,
                        3.3338034e-05f, 2.88695469e-06f});
        row(table, 128, 4095, pairs,
                new double[] {-0.0762499124, -0.679296434, -0.891356111, 0.321590751, 0.775848627, 1.01000941,
                        1.14496887, 1.15564132},
                new double[] {-1.15320396, -0.935013235, -0.735647798, 1.11007786, 0.85659343, 0.561759949,
                        0.157288656, 0.0136627192});
    }

    @Test
    void dynamicIsTheDefaultUpToMaxPositionEmbeddings() {
        int[] pairs = {0, 20, 63};
        float[] table = table(128, new RopeConfig(1e4, new RopeScaling.Dynamic(2)), 2048, pairs,
                new float[] {1, 0.0562341288f, 0.000115478193f});
        row(table, 128, 2047, pairs, new double[] {0.249715254, -0.428767085, 0.972191215},
                new double[] {-0.968319297, 0.903415084, 0.234188586});
    }

    private static float[] table(int headDim, RopeConfig rope, int positions, int[] pairs, float[] frequencies) {
        float[] computed = RopeTable.inverseFrequencies(rope, headDim);
        for (int i = 0; i < pairs.length; i++) {
            assertEquals(frequencies[i], computed[pairs[i]], 2 * Math.ulp(frequencies[i]), "frequency " + pairs[i]);
        }
        Blueprint config = new Blueprint(64, 64, 1, new AttentionConfig(1, 1, headDim), 8, positions, 1e-5, rope, true,
                DType.F32);
        return RopeTable.compute(config, positions);
    }

    // A frequency may have an error of two units in the last place. The angle is position · frequency, so it has the
    // same relative error.
    private static void row(float[] table, int headDim, int position, int[] pairs, double[] cos, double[] sin) {
        for (int i = 0; i < pairs.length; i++) {
            int at = position * headDim + pairs[i];
            float angle = position * frequency(table, headDim, pairs[i]);
            double tolerance = 1.2e-7 + 2 * Math.ulp(angle);
            String where = "position " + position + " pair " + pairs[i];
            assertEquals(cos[i], table[at], tolerance, "cos, " + where);
            assertEquals(sin[i], table[at + headDim / 2], tolerance, "sin, " + where);
        }
    }

    // A frequency is the angle at position 1. This angle is at most one radian, so atan2 recovers it from its sine and
    // cosine.
    private static float frequency(float[] table, int headDim, int pair) {
        return (float) Math.atan2(table[headDim + pair + headDim / 2], table[headDim + pair]);
    }
}
