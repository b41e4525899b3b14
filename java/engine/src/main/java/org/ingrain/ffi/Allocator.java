package org.ingrain.ffi;

import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** Where memory comes from: a context, or a {@link Counter} that plans it. */
public interface Allocator {
    Tensor allocate(DType dtype, long... shape);

    /** Adds up what would be allocated. */
    final class Counter implements Allocator {
        private long bytes;

        @Override
        public Tensor allocate(DType dtype, long... shape) {
            Tensor tensor = Tensor.unallocated(dtype, shape);
            bytes = Math.addExact(bytes, tensor.bytes());
            return tensor;
        }

        public long bytes() {
            return bytes;
        }
    }
}
