package org.ingrain.jni;

import java.lang.foreign.MemorySegment;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/** Calls functions of our own ABI through the engine's binding, with the binding's shape checks. */
final class Ingrain {
    /** Columns of the row that is normalised. */
    static final int WIDTH = 4096;
    private static final float EPS = 1e-5f;
    private static final Weight.Format MATRIX = Weight.Format.of(DType.BF16, Weight.Layout.ROW_MAJOR);

    private final Context context;
    private final Ops ops;
    private final Tensor row;      // (1, WIDTH) bf16
    private final Tensor weight;   // (WIDTH) bf16
    private final Tensor normed;   // (1, WIDTH) bf16

    Ingrain(Context context) {
        this.context = context;
        ops = new Ops(context);
        row = context.allocateZero(DType.BF16, 1, WIDTH);
        weight = context.allocateZero(DType.BF16, WIDTH);
        normed = context.allocate(DType.BF16, 1, WIDTH);
    }

    /** Calls ingrain_weight_bytes, the cheapest function of the ABI, which only multiplies numbers. */
    void weightBytes(int calls) {
        for (int i = 0; i < calls; i++) {
            context.weightBytes(MATRIX, WIDTH, WIDTH);
        }
    }

    void norm(int calls) {
        for (int i = 0; i < calls; i++) {
            ops.rmsNorm(normed, null, row, weight, EPS);
        }
    }

    void drain() {
        context.synchronize();
    }

    /** A product computed by our matmul op. The weight is packed, as the weights of a model are. */
    final class Matmul implements AutoCloseable {
        private final Tensor x;
        private final Weight w;
        private final Tensor y;

        Matmul(Product product) {
            x = upload(product.x(), product.t(), product.c());
            w = context.weight(DType.BF16, Weight.Layout.PACKED, product.n(), product.c(), 0);
            Tensor source = upload(product.w(), product.n(), product.c());
            ops.pack(w, source, 0);
            context.synchronize();
            context.free(source);
            y = context.allocate(DType.BF16, product.t(), product.n());
            context.reserveWorkspace(context.matmulWorkspaceBytes(
                    DType.BF16, product.n(), product.c(), product.t(), false));
        }

        private Tensor upload(MemorySegment host, long... shape) {
            Tensor tensor = context.allocate(DType.BF16, shape);
            context.copyToDevice(tensor, host);
            return tensor;
        }

        void run(int calls) {
            for (int i = 0; i < calls; i++) {
                ops.matmul(y, x, w);
            }
        }

        void read(MemorySegment host) {
            context.copyToHost(host, y);
        }

        @Override
        public void close() {
            context.free(x);
            context.free(w);
            context.free(y);
        }
    }
}
