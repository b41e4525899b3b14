package org.ingrain.ops;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.training.GradientCollector;
import java.util.Arrays;
import java.util.function.Supplier;

/**
 * libtorch on the CPU through DJL, the reference for the ops. An array is freed when its Torch is closed, or when an
 * array from which it was derived is closed.
 *
 * <pre>{@code
 * try (var torch = new Torch()) {
 *     var x = torch.leaf(values, 4, 8);
 *     float[] dx = torch.gradients(() -> x.mul(torch.sigmoid(x)), dy, x)[0];
 * }
 * }</pre>
 */
public final class Torch implements AutoCloseable {
    private final Engine engine = Engine.getEngine("PyTorch");
    private final NDManager manager = engine.newBaseManager(Device.cpu());

    public NDManager manager() {
        return manager;
    }

    /** A row-major F32 array of this shape. Without a shape, the array is a vector. */
    public NDArray array(float[] values, long... shape) {
        return manager.create(values, shapeOf(values.length, shape));
    }

    /** An I64 array, the type of indices in libtorch. */
    public NDArray indices(int[] values, long... shape) {
        return manager.create(Arrays.stream(values).asLongStream().toArray(), shapeOf(values.length, shape));
    }

    /** An F32 array for which {@link #gradients} can compute the gradient. */
    public NDArray leaf(float[] values, long... shape) {
        NDArray leaf = array(values, shape);
        leaf.setRequiresGradient(true);
        return leaf;
    }

    /**
     * x·factor. Use this method in the forward computation of {@link #gradients}, because the backward pass reads the
     * factor. DJL's own {@code mul(Number)} frees the memory of the factor before the backward pass.
     */
    public NDArray times(NDArray x, float factor) {
        return x.mul(array(new float[] {factor}));
    }

    /** Elementwise sigmoid of libtorch. */
    public NDArray sigmoid(NDArray x) {
        return Activation.sigmoid(x);
    }

    /** Columns [begin, end) of a matrix. */
    public static NDArray columns(NDArray matrix, long begin, long end) {
        return matrix.get(new NDIndex(":, {}:{}", begin, end));
    }

    /** Rows [begin, end). */
    public static NDArray rows(NDArray array, long begin, long end) {
        return array.get(new NDIndex("{}:{}", begin, end));
    }

    /** Rounds to BF16 (nearest even) and returns F32. DJL's binding aborts on BF16 arrays. */
    public static float[] roundToBf16(float[] values) {
        float[] rounded = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            int bits = Float.floatToRawIntBits(values[i]);
            rounded[i] = Float.intBitsToFloat(bits + 0x7fff + (bits >>> 16 & 1) & 0xffff0000);
        }
        return rounded;
    }

    /** The elements in row-major order, as F32. */
    public static float[] floats(NDArray array) {
        return array.toType(DataType.FLOAT32, false).toFloatArray();
    }

    /**
     * The gradients of sum(forward() · dy), computed by libtorch's autograd: one for each leaf, in the leaf's shape.
     *
     * @param forward computes y from the leaves; called once, with autograd recording
     * @param dy      gradient of y, in y's row-major order; a single 1 if y is a scalar loss
     * @param leaves  arrays from {@link #leaf}; their gradients are cleared first
     */
    public float[][] gradients(Supplier<NDArray> forward, float[] dy, NDArray... leaves) {
        try (GradientCollector collector = engine.newGradientCollector()) {
            collector.zeroGradients();
            NDArray y = forward.get();
            collector.backward(y.mul(array(dy, y.getShape().getShape())).sum());
        }
        return Arrays.stream(leaves).map(leaf -> floats(leaf.getGradient())).toArray(float[][]::new);
    }

    @Override
    public void close() {
        manager.close();
    }

    private static Shape shapeOf(int length, long... shape) {
        return shape.length == 0 && length != 1 ? new Shape(length) : new Shape(shape);
    }
}
