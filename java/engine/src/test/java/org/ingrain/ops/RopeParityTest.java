package org.ingrain.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import java.util.List;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.DType;

/** rope.cc, which pairs elements i and i + E/2 as Hugging Face does. */
class RopeParityTest extends ParityTest {
    static final int POSITIONS = 4096;
    private static final int[][] SIZES = {{1, 1, 1, 2}, {7, 8, 1, 64}, {127, 6, 3, 48}, {3, 32, 8, 128}};  // T, H, K, E

    @Override
    List<Check> checks() {
        return all(eachFloat("rope_forward", (lab, dtype) -> rotate(lab, dtype, true)),
                eachFloat("rope_backward", (lab, dtype) -> rotate(lab, dtype, false)));
    }

    private static void rotate(ParityCheck lab, DType dtype, boolean forward) {
        for (int[] size : SIZES) {
            var heads = new Heads(size[1], size[2], size[3], 1);
            ParityCheck.Data table = lab.data(DType.F32, table(size[3]), POSITIONS, size[3]);
            int[] positions = lab.randomInts(size[0], POSITIONS);
            positions[0] = POSITIONS - 1;
            positions[size[0] - 1] = 0;
            if (size[0] == 1) {
                positions[0] = 4001;
            }
            ParityCheck.Data qkv = lab.normal(dtype, size[0], heads.columns());
            float[] expected = lab.reference(torch -> {
                if (forward) {
                    return Torch.floats(rope(torch, torch.array(qkv.values(), size[0], heads.columns()), table.values(),
                            positions, heads));
                }
                var leaf = torch.leaf(qkv.values(), size[0], heads.columns());
                return torch.gradients(() -> rope(torch, leaf, table.values(), positions, heads), qkv.values(),
                        leaf)[0];
            });
            if (forward) {
                lab.ops().rope(qkv.tensor(), table.tensor(), lab.ints(positions), heads);
            } else {
                lab.ops().ropeBackward(qkv.tensor(), table.tensor(), lab.ints(positions), heads);
            }
            lab.expect("qkv", expected, qkv.tensor(), ParityTolerance.of(dtype, 2));
        }
    }

    /** (positions, E): cos in the left half, sin in the right. */
    static float[] table(int e) {
        float[] table = new float[POSITIONS * e];
        for (int p = 0; p < POSITIONS; p++) {
            for (int i = 0; i < e / 2; i++) {
                double angle = p * Math.pow(10000, -2.0 * i / e);
                table[p * e + i] = (float) Math.cos(angle);
                table[p * e + e / 2 + i] = (float) Math.sin(angle);
            }
        }
        return table;
    }

    /** Applies x·cos + rotate_half(x)·sin to the first H + K heads. */
    static NDArray rope(Torch torch, NDArray qkv, float[] table, int[] positions, Heads heads) {
        long t = positions.length;
        long half = heads.e() / 2;
        long rotated = (heads.h() + heads.k()) * heads.e();
        NDArray angles = torch.array(table, POSITIONS, heads.e()).get(torch.indices(positions, t));
        NDArray cos = Torch.columns(angles, 0, half).reshape(t, 1, half);
        NDArray sin = Torch.columns(angles, half, heads.e()).reshape(t, 1, half);
        NDArray x = Torch.columns(qkv, 0, rotated).reshape(t, heads.h() + heads.k(), heads.e());
        NDArray left = x.get(new NDIndex(":, :, :{}", half));
        NDArray right = x.get(new NDIndex(":, :, {}:", half));
        NDArray y = left.mul(cos).sub(right.mul(sin)).concat(right.mul(cos).add(left.mul(sin)), 2);
        return y.reshape(t, rotated).concat(Torch.columns(qkv, rotated, heads.columns()), 1);
    }
}
