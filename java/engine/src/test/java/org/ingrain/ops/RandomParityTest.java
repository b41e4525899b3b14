package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.api.Test;

/**
 * Compares random.cc with Philox and the Box-Muller transform in double precision, because libtorch has no
 * counter-based generator.
 */
class RandomParityTest extends ParityTest {
    @Override
    List<Check> checks() {
        return eachFloat("random_normal", RandomParityTest::normal);
    }

    private static void normal(ParityCheck lab, DType dtype) {
        for (int n : new int[] {1, 7, 127, 70_001}) {
            for (long seed : new long[] {0, 1, -1, 0x123456789abcdefL}) {
                Tensor y = lab.output(dtype, n);
                lab.ops().randomNormal(y, 0.02f, seed);
                float[] expected = new float[n];
                for (int i = 0; i < n; i++) {
                    int[] words = Philox.words(seed, i, 0, 0, 0);
                    expected[i] = (float) (0.02f * Math.sqrt(-2 * Math.log(Philox.uniform(words[0])))
                            * Math.cos(2 * Math.PI * Philox.uniform(words[1])));
                }
                lab.expect("y", expected, y, ParityTolerance.of(dtype, 1).magnitude(0.02 * 6));
            }
        }
    }

    @Test
    void philoxGivesTheKnownAnswers() {
        assertArrayEquals(new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, Philox.words(0, 0, 0, 0, 0));
        assertArrayEquals(new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, Philox.words(-1, -1, -1, -1, -1));
        assertArrayEquals(new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
                Philox.words(0x299f31d0a4093822L, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344));
    }
}
