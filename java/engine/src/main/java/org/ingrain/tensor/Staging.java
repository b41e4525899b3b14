package org.ingrain.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Consumer;

/**
 * The small host arrays of a step, which go to the device in one copy. Each is reserved in turn, one behind another, at
 * the same offset in device memory and in an image of it in pinned host memory; the images take turns, so that one is
 * filled while the copy from another has yet to run. The same reservations in the same order lie at the same addresses,
 * which is what a captured graph reads from.
 */
public final class Staging {
    /** Bytes to which every array is aligned. */
    public static final long ALIGNMENT = 64;

    private final Tensor memory;
    private final List<MemorySegment> images;
    private MemorySegment image;
    private int turn;
    private long used;

    /**
     * @param memory I32 on the device
     * @param images pinned host memory, each as long as memory
     */
    public Staging(Tensor memory, List<MemorySegment> images) {
        this.memory = memory;
        this.images = List.copyOf(images);
        image = this.images.getFirst();
    }

    /** Bytes that these reservations take. */
    public static long bytes(Consumer<Staging> reservations) {
        Staging counter = new Staging(Tensor.unallocated(DType.I64, Long.MAX_VALUE / Long.BYTES),
                List.of(MemorySegment.NULL));
        reservations.accept(counter);
        return counter.used;
    }

    /** Turns to the next image, empty. What was enqueued from it before must have run. */
    public void begin() {
        turn = (turn + 1) % images.size();
        image = images.get(turn);
        used = 0;
    }

    /** Reserves an array but does not write it: its content is left from an earlier use of the image. */
    public Tensor reserve(DType dtype, long n) {
        long bytes = n * dtype.bytes();
        if (used + bytes > memory.bytes()) {
            throw new IndexOutOfBoundsException(dtype + "[" + n + "] after " + used + " bytes of " + memory);
        }
        Tensor array = new Tensor(memory.address() + used, dtype, n);
        used = Math.ceilDiv(used + bytes, ALIGNMENT) * ALIGNMENT;
        return array;
    }

    /** Sets element i of a reserved array, or of a slice of one. */
    public void put(Tensor array, long i, int value) {
        image.set(ValueLayout.JAVA_INT, offset(array, i, Integer.BYTES), value);
    }

    /** Sets element i of a reserved F32 array. */
    public void put(Tensor array, long i, float value) {
        image.set(ValueLayout.JAVA_FLOAT, offset(array, i, Float.BYTES), value);
    }

    /** Sets element i of a reserved I64 array. */
    public void put(Tensor array, long i, long value) {
        image.set(ValueLayout.JAVA_LONG, offset(array, i, Long.BYTES), value);
    }

    private long offset(Tensor array, long i, int bytes) {
        if (i < 0 || i >= array.elements() || array.dtype().bytes() != bytes) {
            throw new IndexOutOfBoundsException("element " + i + " of " + bytes + " bytes of " + array);
        }
        return array.address() - memory.address() + i * bytes;
    }

    /** The part of the image that is reserved: what is to be copied into {@link #memory}. */
    public MemorySegment image() {
        return image.asSlice(0, Math.min(used, image.byteSize()));
    }

    public Tensor memory() {
        return memory;
    }

    /** Clears every image. */
    public void clear() {
        images.forEach(pinned -> pinned.fill((byte) 0));
    }
}
