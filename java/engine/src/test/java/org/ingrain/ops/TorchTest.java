package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests libtorch through {@link Torch} against values computed by hand. */
class TorchTest {
    private Torch torch;

    @BeforeEach
    void open() {
        torch = new Torch();
    }

    @AfterEach
    void close() {
        torch.close();
    }

    @Test
    void multipliesMatrices() {
        var x = torch.array(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        var w = torch.array(new float[] {1, 0, -1, 2, 1, 0}, 2, 3);
        assertArrayEquals(new float[] {-2, 4, -2, 13}, Torch.floats(x.matMul(w.transpose())));
    }

    @Test
    void softmaxSumsToOne() {
        var p = Torch.floats(torch.array(new float[] {0, (float) Math.log(3)}).softmax(-1));
        assertArrayEquals(new float[] {0.25f, 0.75f}, p, 1e-6f);
    }

    @Test
    void differentiatesSilu() {
        float[] values = {-3f, -0.5f, 0f, 2f};
        float[] dy = {1f, 2f, 3f, 4f};
        var x = torch.leaf(values);
        for (int run = 0; run < 2; run++) {  // the second run starts from cleared gradients
            float[] dx = torch.gradients(() -> x.mul(torch.sigmoid(x)), dy, x)[0];
            for (int i = 0; i < values.length; i++) {
                double s = 1 / (1 + Math.exp(-values[i]));
                assertEquals(dy[i] * s * (1 + values[i] * (1 - s)), dx[i], 1e-6);
            }
        }
    }

    @Test
    void differentiatesMatmul() {
        var x = torch.leaf(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        var w = torch.leaf(new float[] {1, 0, -1, 2, 1, 0}, 2, 3);
        float[][] gradients = torch.gradients(() -> x.matMul(w.transpose()), new float[] {1, 0, 0, 1}, x, w);
        assertArrayEquals(new float[] {1, 0, -1, 2, 1, 0}, gradients[0]);
        assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, gradients[1]);
    }

    @Test
    void takesGradientsOfAnIndexedLoss() {
        var logits = torch.leaf(new float[] {0, 0, 0, 0}, 2, 2);
        var targets = torch.indices(new int[] {1, 0}, 2, 1);
        float[] gradient = torch.gradients(() -> logits.logSoftmax(-1).gather(targets, 1).sum().neg(), new float[] {1},
                logits)[0];
        assertArrayEquals(new float[] {0.5f, -0.5f, -0.5f, 0.5f}, gradient, 1e-6f);
    }

    @Test
    void roundsToBf16() {
        float[] rounded = Torch.roundToBf16(new float[] {1 + 0x1p-8f, 1 + 0x1.8p-7f, -3.0e38f});
        assertArrayEquals(new float[] {1, 1 + 0x1p-6f, -0x1.c4p127f}, rounded);
    }
}
