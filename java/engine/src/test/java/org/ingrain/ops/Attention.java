package org.ingrain.ops;

import ai.djl.ndarray.NDArray;
import org.ingrain.ops.Ops.Heads;

/** Reference attention in libtorch: softmax(scale·q·Kᵀ + causal mask)·V. */
final class Attention {
    private Attention() {
    }

    /** y (T, H·E) of one sequence qkv (T, (H + 2K)·E). */
    static NDArray causal(Torch torch, NDArray qkv, Heads heads) {
        long t = qkv.getShape().get(0);
        long group = heads.h() / heads.k();
        long queries = heads.h() * heads.e();
        long keys = queries + heads.k() * heads.e();
        NDArray q = Torch.columns(qkv, 0, queries).reshape(t, heads.k(), group, heads.e()).transpose(1, 2, 0, 3);
        NDArray k = Torch.columns(qkv, queries, keys).reshape(t, heads.k(), 1, heads.e()).transpose(1, 2, 3, 0);
        NDArray v = Torch.columns(qkv, keys, heads.columns()).reshape(t, heads.k(), 1, heads.e()).transpose(1, 2, 0, 3);
        NDArray y = torch.times(q.matMul(k), heads.scale()).add(mask(torch, Math.toIntExact(t))).softmax(-1).matMul(v);
        return y.transpose(2, 0, 1, 3).reshape(t, queries);
    }

    /** y (T, H·E) of packed sequences; sequence s has rows [offsets[s], offsets[s + 1]). */
    static NDArray packed(Torch torch, NDArray qkv, int[] offsets, Heads heads) {
        NDArray y = null;
        for (int s = 0; s + 1 < offsets.length; s++) {
            if (offsets[s] < offsets[s + 1]) {
                NDArray part = causal(torch, Torch.rows(qkv, offsets[s], offsets[s + 1]), heads);
                y = y == null ? part : y.concat(part);
            }
        }
        return y;
    }

    private static NDArray mask(Torch torch, int t) {
        float[] mask = new float[t * t];
        for (int i = 0; i < t; i++) {
            for (int j = i + 1; j < t; j++) {
                mask[i * t + j] = Float.NEGATIVE_INFINITY;
            }
        }
        return torch.array(mask, t, t);
    }
}
