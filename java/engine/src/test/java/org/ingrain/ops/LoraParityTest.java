package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * lora.cc: one adapter for each row, and dropout in training. The tests read the dropout mask through the ops. In the
 * forward pass, u is the mask if A is the identity matrix and all elements of x are 1. In the backward pass, dx is the
 * mask if all elements of du and A are 1.
 */
class LoraParityTest extends ParityTest {
    // T, C, N, R
    private static final int[][] SIZES = {{1, 1, 1, 1}, {7, 127, 33, 8}, {33, 64, 127, 4}, {3, 515, 16, 64},
            {127, 48, 40, 7}, {130, 648, 72, 16}, {90, 72, 168, 17}, {131, 64, 64, 40}, {66, 520, 96, 64},
            {70, 64, 64, 72}};
    /**
     * Sizes for which a block of the CUDA kernel `pass` processes many steps of 16 rows, and several blocks of 512
     * columns.
     */
    private static final int[][] MANY_ROWS = {{12000, 64, 64, 16}, {700, 1112, 1112, 5}};
    private static final int ADAPTERS = 3;
    private static final Dropout DROPOUT = new Dropout(0.3f, 0x5eed5eed5eedL);

    @Override
    List<Check> checks() {
        List<Check> checks = new ArrayList<>(all(
                eachFloat("lora_down_forward", LoraParityTest::downForward),
                eachFloat("lora_up_forward", LoraParityTest::upForward),
                eachFloat("lora_up_backward", LoraParityTest::upBackward),
                eachFloat("lora_down_backward", LoraParityTest::downBackward)));
        checks.add(new Check("lora_down_forward", "many rows", LoraParityTest::manyRowsForward));
        checks.add(new Check("lora_up_backward", "many rows", LoraParityTest::manyRowsUpBackward));
        checks.add(new Check("lora_down_backward", "many rows", LoraParityTest::manyRowsDownBackward));
        checks.add(new Check("lora_down_forward", "dropout mask", LoraParityTest::mask));
        checks.add(new Check("lora_down_forward", "few rows and many", LoraParityTest::rows));
        checks.add(new Check("lora_down_forward", "dropout mask of a band", LoraParityTest::band));
        checks.add(new Check("lora_down_backward", "dropout mask of a band", LoraParityTest::bandBackward));
        return checks;
    }

    private static void downForward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            for (Dropout dropout : List.of(Dropout.NONE, DROPOUT)) {
                for (int[] slots : slots(lab, size[0])) {
                    downForward(lab, size, dtype, dropout, slots);
                }
            }
        }
    }

    private static void downForward(ParityCheck lab, int[] size, DType dtype, Dropout dropout, int[] slots) {
        int t = size[0];
        int c = size[1];
        int r = size[3];
        float[] mask = mask(lab, t, c, dropout);
        ParityCheck.Data x = lab.normal(dtype, t, c);
        ParityCheck.Data a = lab.normal(DType.F32, ADAPTERS, r, c);
        Tensor u = lab.output(DType.F32, t, r);
        lab.ops().loraDown(u, x.tensor(), a.tensor(), slots == null ? null : lab.ints(slots), dropout);
        float[] expected = lab.reference(torch -> Torch.floats(byRow(slots,
                slot -> torch.array(x.values(), t, c).mul(torch.array(mask, t, c))
                .matMul(adapter(torch, a, slot).transpose()))));
        lab.expect("u of C " + c, expected, u, ParityTolerance.of(DType.F32, c));
    }

    private static void manyRowsForward(ParityCheck lab) {
        for (int[] size : MANY_ROWS) {
            for (Dropout dropout : List.of(Dropout.NONE, DROPOUT)) {
                downForward(lab, size, DType.BF16, dropout, null);
            }
        }
    }

    private static void manyRowsUpBackward(ParityCheck lab) {
        for (int[] size : MANY_ROWS) {
            upBackward(lab, size, DType.BF16);
        }
    }

    private static void manyRowsDownBackward(ParityCheck lab) {
        for (int[] size : MANY_ROWS) {
            for (Dropout dropout : List.of(Dropout.NONE, DROPOUT)) {
                downBackward(lab, size, lab.normal(DType.BF16, size[0], size[1]), dropout, true);
            }
        }
    }

    /** y and u are ranges of columns of wider matrices. The other columns of y must not change. */
    private static void upForward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            for (int[] slots : slots(lab, size[0])) {
                int t = size[0];
                int n = size[2];
                int r = size[3];
                int ld = n + 24;
                ParityCheck.Data y = lab.normal(dtype, t, ld);
                ParityCheck.Data u = lab.normal(DType.F32, t, r + 12);
                ParityCheck.Data b = lab.normal(DType.F32, ADAPTERS, n, r);
                float[] scaling = {0.5f, 2, -1.25f};
                lab.ops().loraUp(y.tensor().fromColumn(8), u.tensor().fromColumn(4), b.tensor(),
                        lab.data(DType.F32, scaling, ADAPTERS).tensor(), slots == null ? null : lab.ints(slots));
                float[] expected = lab.reference(torch -> {
                    NDArray before = torch.array(y.values(), t, ld);
                    NDArray update = byRow(slots, slot -> Torch.columns(torch.array(u.values(), t, r + 12), 4, 4 + r)
                            .matMul(adapter(torch, b, slot).transpose()).mul(scaling[slot]));
                    return Torch.floats(Torch.columns(before, 0, 8)
                            .concat(Torch.columns(before, 8, 8 + n).add(update), 1)
                            .concat(Torch.columns(before, 8 + n, ld), 1));
                });
                lab.expect("y of R " + r, expected, y.tensor(), ParityTolerance.of(dtype, r));
            }
        }
    }

    private static void upBackward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            upBackward(lab, size, dtype);
        }
    }

    private static void upBackward(ParityCheck lab, int[] size, DType dtype) {
        int t = size[0];
        int n = size[2];
        int r = size[3];
        float scaling = 1.7f;
        ParityCheck.Data dy = lab.normal(dtype, t, n + 24);
        ParityCheck.Data u = lab.normal(DType.F32, t, r + 12);
        ParityCheck.Data du = lab.normal(DType.F32, t, r + 12);
        ParityCheck.Data b = lab.normal(DType.F32, 1, n, r);
        ParityCheck.Data db = lab.normal(DType.F32, 1, n, r);
        lab.ops().loraUpBackward(du.tensor().fromColumn(4), db.tensor(), dy.tensor().fromColumn(8),
                u.tensor().fromColumn(4), b.tensor(), scaling);
        float[][] expected = lab.reference(torch -> {
            var uLeaf = torch.leaf(columns(u.values(), new int[] {t, r + 12, 4, r}), t, r);
            var bLeaf = torch.leaf(b.values(), n, r);
            float[] band = Torch.floats(Torch.columns(torch.array(dy.values(), t, n + 24), 8, 8 + n));
            return torch.gradients(() -> torch.times(uLeaf.matMul(bLeaf.transpose()), scaling), band, uLeaf, bLeaf);
        });
        for (int row = 0; row < t; row++) {   // du is a range of columns of a wider matrix
            System.arraycopy(expected[0], row * r, du.values(), row * (r + 12) + 4, r);
        }
        lab.expect("du of N " + n, du.values(), du.tensor(), ParityTolerance.of(DType.F32, n));
        lab.expect("dB of T " + t, Floats.sum(expected[1], db.values()), db.tensor(),
                ParityTolerance.of(DType.F32, t));
    }

    private static void downBackward(ParityCheck lab, DType dtype) {
        for (int[] size : SIZES) {
            for (Dropout dropout : List.of(Dropout.NONE, DROPOUT)) {
                for (boolean wantsDx : new boolean[] {true, false}) {
                    downBackward(lab, size, lab.normal(dtype, size[0], size[1]), dropout, wantsDx);
                }
            }
        }
    }

    private static void downBackward(ParityCheck lab, int[] size, ParityCheck.Data x, Dropout dropout,
            boolean wantsDx) {
        int t = size[0];
        int c = size[1];
        int r = size[3];
        DType dtype = x.tensor().dtype();
        ParityCheck.Data dx = lab.normal(dtype, t, c);
        ParityCheck.Data a = lab.normal(DType.F32, 1, r, c);
        ParityCheck.Data da = lab.normal(DType.F32, 1, r, c);
        ParityCheck.Data du = lab.normal(DType.F32, t, r);
        lab.ops().loraDownBackward(wantsDx ? dx.tensor() : null, da.tensor(), du.tensor(), x.tensor(), a.tensor(),
                dropout);
        float[] mask = mask(lab, t, c, dropout);
        float[][] expected = lab.reference(torch -> {
            var xLeaf = torch.leaf(x.values(), t, c);
            var aLeaf = torch.leaf(a.values(), r, c);
            var kept = torch.array(mask, t, c);
            return torch.gradients(() -> xLeaf.mul(kept).matMul(aLeaf.transpose()), du.values(), xLeaf, aLeaf);
        });
        lab.expect("dx of R " + r, wantsDx ? Floats.sum(expected[0], dx.values()) : dx.values(), dx.tensor(),
                ParityTolerance.of(dtype, r));
        lab.expect("dA of T " + t, Floats.sum(expected[1], da.values()), da.tensor(), ParityTolerance.of(DType.F32, t));
    }

    /** The mask keeps the expected fraction of elements, scales the kept ones, and depends only on (seed, t·C + c). */
    private static void mask(ParityCheck lab) {
        int t = 64;
        int c = 127;
        float[] mask = read(lab, lab.ops(), t, c, DROPOUT);
        Floats.assertNear("the mask of the backward pass", mask, mask(lab, t, c, DROPOUT),
                ParityTolerance.of(DType.F32, 1));
        float kept = 1 / (1 - DROPOUT.probability());
        int n = 0;
        for (float m : mask) {
            assertTrue(m == 0 || Math.abs(m - kept) <= 2e-7 * kept,
                    "a mask element is " + m + ", expected 0 or " + kept);
            n += m == 0 ? 0 : 1;
        }
        double mean = mask.length * (1 - DROPOUT.probability());
        double deviation = Math.sqrt(mean * DROPOUT.probability());
        assertEquals(mean, n, 5 * deviation, "elements kept");
        Floats.assertBits("the same elements in rows twice as long", mask, read(lab, lab.ops(), t / 2, 2 * c, DROPOUT));
        float[] other = read(lab, lab.ops(), t, c, new Dropout(DROPOUT.probability(), DROPOUT.seed() + (1L << 32)));
        assertTrue(!Arrays.equals(mask, other), "another seed gives the same mask");
    }

    // T, columns of the whole input, first column and number of columns of the range
    private static final int[][] BANDS = {{33, 127, 31, 45}, {64, 96, 24, 24}, {5, 512, 128, 256},
            {130, 648, 324, 324}};

    /** The mask for a range of columns equals the same columns of the mask for the whole input. */
    private static void band(ParityCheck lab) {
        for (int[] size : BANDS) {
            float[] whole = mask(lab, size[0], size[1], DROPOUT);
            Dropout part = new Dropout(DROPOUT.probability(), DROPOUT.seed(), size[2], size[1]);
            Floats.assertNear("columns from " + size[2] + " on", columns(whole, size),
                    read(lab, lab.ops(), size[0], size[3], part), ParityTolerance.of(DType.F32, 1));
        }
    }

    private static void bandBackward(ParityCheck lab) {
        for (DType dtype : FLOATS) {
            for (int[] size : BANDS) {
                Dropout part = new Dropout(DROPOUT.probability(), DROPOUT.seed(), size[2], size[1]);
                downBackward(lab, new int[] {size[0], size[3], 0, 7}, lab.normal(dtype, size[0], size[3]), part, true);
            }
        }
    }

    private static float[] columns(float[] whole, int[] size) {
        float[] band = new float[size[0] * size[3]];
        for (int row = 0; row < size[0]; row++) {
            System.arraycopy(whole, row * size[1] + size[2], band, row * size[3], size[3]);
        }
        return band;
    }

    /** A row has the same bits in a batch of 3 rows as in a batch of 130 rows, with and without a slot for each row. */
    private static void rows(ParityCheck lab) {
        for (DType dtype : FLOATS) {
            for (int r : new int[] {16, 40}) {
                rows(lab, lab.normal(dtype, 130, 1300), 1300, r);
                rows(lab, lab.normal(dtype, 130, 1304), 1304, r);
            }
        }
    }

    private static void rows(ParityCheck lab, ParityCheck.Data x, int c, int r) {
        ParityCheck.Data a = lab.normal(DType.F32, 1, r, c);
        Tensor many = lab.output(DType.F32, 130, r);
        lab.ops().loraDown(many, x.tensor(), a.tensor(), null, Dropout.NONE);
        float[] expected = lab.reference(torch -> Torch.floats(
                torch.array(x.values(), 130, c).matMul(torch.array(a.values(), r, c).transpose())));
        lab.expect("u of 130 rows", expected, many, ParityTolerance.of(DType.F32, c));
        for (Dropout dropout : List.of(Dropout.NONE, DROPOUT)) {
            lab.ops().loraDown(many, x.tensor(), a.tensor(), null, dropout);
            Tensor few = lab.output(DType.F32, 3, r);
            lab.ops().loraDown(few, x.tensor().slice(0, 3L * c).view(3, c), a.tensor(), null, dropout);
            Floats.assertBits("u of three rows", Floats.slice(lab.floats(many), 0, 3L * r), lab.floats(few));
            Tensor slots = lab.output(DType.F32, 130, r);
            lab.ops().loraDown(slots, x.tensor(), a.tensor(), lab.ints(new int[130]), dropout);
            Floats.assertBits("u of 130 rows with slots", lab.floats(many), lab.floats(slots));
        }
    }

    /**
     * The dropout mask (T, C), that is, the factor of each element of x. The mask equals the gradient dx if all
     * elements of du and A are 1.
     */
    private static float[] mask(ParityCheck lab, int t, int c, Dropout dropout) {
        float[] ones = new float[t * c];
        Arrays.fill(ones, 1);
        if (dropout.probability() == 0) {
            return ones;
        }
        Tensor dx = lab.data(DType.F32, new float[t * c], t, c).tensor();
        lab.trusted().loraDownBackward(dx, lab.output(DType.F32, 1, 1, c),
                lab.data(DType.F32, Arrays.copyOf(ones, t), t, 1).tensor(), lab.data(DType.F32, ones, t, c).tensor(),
                lab.data(DType.F32, Arrays.copyOf(ones, c), 1, 1, c).tensor(), dropout);
        return lab.floats(dx);
    }

    /** Reads the mask with the forward pass: x is all ones, and A is 64 rows of the identity matrix at a time. */
    private static float[] read(ParityCheck lab, Ops ops, int t, int c, Dropout dropout) {
        float[] ones = new float[t * c];
        Arrays.fill(ones, 1);
        Tensor x = lab.data(DType.F32, ones, t, c).tensor();
        float[] mask = new float[t * c];
        for (int begin = 0; begin < c; begin += 64) {
            int r = Math.min(64, c - begin);
            float[] identity = new float[r * c];
            for (int i = 0; i < r; i++) {
                identity[i * c + begin + i] = 1;
            }
            Tensor u = lab.output(DType.F32, t, r);
            ops.loraDown(u, x, lab.data(DType.F32, identity, 1, r, c).tensor(), null, dropout);
            float[] band = lab.floats(u);
            for (int row = 0; row < t; row++) {
                System.arraycopy(band, row * r, mask, row * c + begin, r);
            }
        }
        return mask;
    }

    /**
     * Three assignments of adapter slots to t rows: null; random slots, where -1 means no adapter; and ranges of rows
     * with equal slots.
     */
    private static List<int[]> slots(ParityCheck lab, int t) {
        List<int[]> slots = new ArrayList<>();
        slots.add(null);
        slots.add(lab.random().ints(t, -1, ADAPTERS).toArray());
        int[] runs = new int[t];
        Arrays.setAll(runs, row -> row < t / 2 ? 2 : row < 3 * t / 4 ? -1 : 1);
        slots.add(runs);
        return slots;
    }

    private static NDArray adapter(Torch torch, ParityCheck.Data all, int slot) {
        long rows = all.tensor().size(1);
        long columns = all.tensor().size(2);
        return torch.array(Floats.slice(all.values(), slot * rows * columns, (slot + 1) * rows * columns), rows,
                columns);
    }

    /** Takes each row from the product with this row's adapter. A row without an adapter is 0. */
    private static NDArray byRow(int[] slots, java.util.function.IntFunction<NDArray> product) {
        if (slots == null) {
            return product.apply(0);
        }
        NDArray sum = product.apply(0).mul(0);
        for (int slot = 0; slot < ADAPTERS; slot++) {
            float[] chosen = new float[slots.length];
            for (int t = 0; t < slots.length; t++) {
                chosen[t] = slots[t] == slot ? 1 : 0;
            }
            sum = sum.add(product.apply(slot).mul(sum.getManager()
                    .create(chosen, new ai.djl.ndarray.types.Shape(slots.length, 1))));
        }
        return sum;
    }
}
