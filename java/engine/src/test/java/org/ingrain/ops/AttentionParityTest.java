package org.ingrain.ops;

import java.util.Arrays;
import java.util.List;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** attention.cc: causal attention within packed sequences, and its gradient. */
class AttentionParityTest extends ParityTest {
    /**
     * A layer and its packed sequences.
     *
     * @param offsets first row of each sequence, then the number of rows
     * @param std     standard deviation of q, k and v: 0 for a uniform softmax, 8 for an almost one-hot
     *                softmax, otherwise 1
     */
    private record Case(long h, long k, long e, float std, int... offsets) {
        Heads heads() {
            return new Heads(h, k, e, (float) (1 / Math.sqrt(e)));
        }

        @Override
        public String toString() {
            return h + " heads on " + k + " of " + e + ", offsets " + Arrays.toString(offsets) + ",";
        }

        int tokens() {
            return offsets[offsets.length - 1];
        }
    }

    private static final List<Case> CASES = List.of(
            new Case(1, 1, 64, 1, 0, 1),
            new Case(4, 4, 48, 1, 0, 7, 8, 40),
            new Case(8, 2, 128, 1, 0, 127),
            new Case(8, 1, 64, 1, 0, 1, 18, 34, 131),
            new Case(1, 1, 128, 1, 0, 3, 203), // the first warps see none of the last keys
            new Case(3, 1, 96, 1, 0, 50),
            new Case(2, 1, 48, 1, 0, 129, 449), // several tiles of keys add to the same rows of dq
            new Case(2, 1, 64, 8, 0, 33, 65),
            new Case(2, 2, 64, 0, 0, 5, 21));

    @Override
    List<Check> checks() {
        return all(each("attention_forward", AttentionParityTest::forward),
                each("attention_backward", AttentionParityTest::backward));
    }

    /** One check per dtype. The op may or may not round the factors of its products to bf16. */
    private static List<Check> each(String op, Body body) {
        return FLOATS.stream().flatMap(operands -> FLOATS.stream().map(dtype -> new Check(op,
                dtype + " with operands " + operands, lab -> body.run(lab, dtype, operands)))).toList();
    }

    private interface Body {
        void run(ParityCheck lab, DType dtype, DType operands);
    }

    /**
     * Inputs of the op. If the standard deviation is 8, rounding q and k to bf16 would change the scores so much that
     * no digit of a softmax weight would be correct. So the values of these cases are already rounded to the type of
     * the operands.
     */
    private static ParityCheck.Data qkv(ParityCheck lab, Case c, DType dtype, DType operands) {
        ParityCheck.Data values = lab.normal(c.std(), c.std() > 1 ? operands : dtype, c.tokens(), c.heads().columns());
        return lab.data(dtype, values.values(), c.tokens(), c.heads().columns());
    }

    private static void forward(ParityCheck lab, DType dtype, DType operands) {
        for (Case c : CASES) {
            ParityCheck.Data qkv = qkv(lab, c, dtype, operands);
            Tensor y = lab.output(dtype, c.tokens(), c.h() * c.e());
            Tensor lse = lab.output(DType.F32, c.tokens(), c.h());
            lab.ops().attention(new AttentionState(qkv.tensor(), y, lse, lab.ints(c.offsets()), operands), c.heads());
            float[] expected = lab.reference(torch -> Torch.floats(
                    Attention.packed(torch, torch.array(qkv.values(), c.tokens(), c.heads().columns()), c.offsets(),
                            c.heads())));
            lab.expect("y of " + c, expected, y, lab.weighted(tolerance(c, dtype), dtype, operands));
        }
    }

    /**
     * The op gets y and lse from the trusted forward pass. This pass rounds y to the dtype, so the gradient is computed
     * from the rounded y.
     */
    private static void backward(ParityCheck lab, DType dtype, DType operands) {
        for (Case c : CASES) {
            long columns = c.heads().columns();
            ParityCheck.Data qkv = qkv(lab, c, dtype, operands);
            ParityCheck.Data dy = lab.normal(dtype, c.tokens(), c.h() * c.e());
            Tensor y = lab.output(dtype, c.tokens(), c.h() * c.e());
            Tensor lse = lab.output(DType.F32, c.tokens(), c.h());
            AttentionState state = new AttentionState(qkv.tensor(), y, lse, lab.ints(c.offsets()), operands);
            lab.trusted().attention(state, c.heads());
            Tensor dqkv = lab.output(dtype, c.tokens(), columns);
            Tensor delta = lab.output(DType.F32, c.tokens(), c.h());
            Tensor sums = lab.output(DType.F32, c.tokens(), columns);
            lab.ops().attentionBackward(dqkv, delta, sums, dy.tensor(), state, c.heads());
            float[] expected = lab.reference(torch -> {
                var leaf = torch.leaf(qkv.values(), c.tokens(), columns);
                return torch.gradients(() -> Attention.packed(torch, leaf, c.offsets(), c.heads()), dy.values(),
                        leaf)[0];
            });
            lab.expect("dqkv of " + c, expected, dqkv,
                    lab.weighted(tolerance(c, dtype).through(dtype), dtype, operands));
        }
    }

    /**
     * A score is a sum of E terms of size std². An absolute error of a score causes an equal relative error of its
     * softmax weight.
     */
    private static ParityTolerance tolerance(Case c, DType dtype) {
        return ParityTolerance.of(dtype, c.tokens() + c.e()).magnitude(Math.pow(Math.max(c.std(), 1), 3));
    }
}
