package org.ingrain.workbench;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.tensor.DType;

/** All ops of the header, with the shapes at which each op is compared and timed. */
final class Cases {
    static final List<DType> FLOATS = List.of(DType.F32, DType.BF16);
    static final List<DType> F32 = List.of(DType.F32);

    private final Scale scale;
    private final List<Group> groups = new ArrayList<>();

    /**
     * Sizes of the timed cases.
     *
     * @param dtype      dtype of the activations
     * @param rows       number of rows for memory-bound ops; large enough that the tensors do not fit in a cache
     * @param matmulRows number of rows for compute-bound ops
     * @param divisor    number by which the widths of the tensors are divided; more than 1 only for the emulated
     *                   device, which is slow
     */
    record Scale(DType dtype, int rows, int matmulRows, int divisor) {
        static Scale of(String backend) {
            return switch (backend) {
                case "cpu" -> new Scale(DType.F32, 2048, 128, 1);
                case "simt" -> new Scale(DType.BF16, 4, 16, 32);
                default -> new Scale(DType.BF16, 8192, 4096, 1);
            };
        }

        int width(int n) {
            return n / divisor;
        }
    }

    /**
     * The cases of one op.
     *
     * @param op       name of the op in the header
     * @param compared cases compared with the oracle
     * @param timed    cases timed against the built-in op
     */
    record Group(String op, List<Case> compared, List<Case> timed) {
    }

    private Cases(Scale scale) {
        this.scale = scale;
    }

    /** One group for each op of the header. */
    static List<Group> of(Scale scale) {
        Cases cases = new Cases(scale);
        RowCases.addTo(cases);
        NormCases.addTo(cases);
        MatmulCases.addTo(cases);
        AttentionCases.addTo(cases);
        CacheCases.addTo(cases);
        LoraCases.addTo(cases);
        LossCases.addTo(cases);
        SampleCases.addTo(cases);
        return cases.groups;
    }

    Scale scale() {
        return scale;
    }

    /**
     * Adds an op.
     *
     * @param letters  names of the sizes, separated by spaces
     * @param compared sizes of the compared cases; each case is added in every dtype
     * @param timed    sizes of the timed cases. Timed cases have the dtype of {@link Scale} if {@code dtypes} contains
     *                 it, otherwise the last of {@code dtypes}
     */
    void add(String op, String letters, int[][] compared, int[][] timed, List<DType> dtypes, Case.Maker maker) {
        List<String> names = List.of(letters.split(" "));
        List<Case> cases = new ArrayList<>();
        for (DType dtype : dtypes) {
            for (int[] sizes : compared) {
                cases.add(new Case(op, names, sizes, dtype, maker));
            }
        }
        DType dtype = dtypes.contains(scale.dtype()) ? scale.dtype() : dtypes.getLast();
        List<Case> clocked = new ArrayList<>();
        for (int[] sizes : timed) {
            clocked.add(new Case(op, names, sizes, dtype, maker));
        }
        groups.add(new Group(op, cases, clocked));
    }

    /** Returns a list of one shape with these sizes. */
    static int[][] at(int... sizes) {
        return new int[][] {sizes};
    }
}
