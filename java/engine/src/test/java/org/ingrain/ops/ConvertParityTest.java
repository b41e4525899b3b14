package org.ingrain.ops;

import java.util.List;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** convert.cc: compares the bits of the result for every pair of dtypes. */
class ConvertParityTest extends ParityTest {
    private static final List<DType> SOURCES = List.of(DType.F32, DType.BF16, DType.F16);
    /**
     * Zeros, infinities, NaN, subnormals, the largest finite value of each type, and values halfway between two bf16
     * numbers, which round to even.
     */
    private static final float[] EXTREMES = {0f, -0f, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN,
            Float.MIN_VALUE, -1e-40f,
        Float.MIN_NORMAL, Float.MAX_VALUE, -Float.MAX_VALUE, 65504f, -65504f, 6e-8f, 6.1e-5f, 1 + 0x1p-8f, 1 + 0x3p-8f,
                -1 - 0x1.01p-8f};

    @Override
    List<Check> checks() {
        return SOURCES.stream().flatMap(x -> FLOATS.stream()
                .map(y -> new Check("convert", x + " to " + y, lab -> convert(lab, y, x)))).toList();
    }

    private static void convert(ParityCheck lab, DType yDtype, DType xDtype) {
        convert(lab, yDtype, lab.data(xDtype, EXTREMES, EXTREMES.length));
        Stream.of(1, 7, 127, 4099).forEach(n -> convert(lab, yDtype, lab.normal(xDtype, n)));
    }

    private static void convert(ParityCheck lab, DType yDtype, ParityCheck.Data x) {
        Tensor y = lab.output(yDtype, x.values().length);
        lab.ops().convert(y, x.tensor());
        lab.expect("y", Floats.rounded(yDtype, x.values()), y, ParityTolerance.rounding(DType.F32));
    }
}
