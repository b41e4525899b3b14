package org.ingrain.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Consumer;

/**
 * Collects the small host arrays of a step so that one copy uploads all of them. The arrays are consecutive in a pinned
 * host buffer, which is called an image. Each array has the same offset in the image and in device memory. If there are
 * several images, they are used in rotation, so that the host can fill one image while the copy from another is
 * pending. The same sequence of reservations always yields the same device addresses. This is required, because a
 * captured graph reads from the addresses of its capture.
 */
public final class Staging {
    /** Alignment of every array, in bytes. */
    public static final long ALIGNMENT = 64;

    private final Tensor memory;
    private final List<MemorySegment> images;
    private MemorySegment image;
    private int turn;
    private long used;

    /**
     * @param memory device memory, I32
     * @param images pinned host buffers, each as large as {@code memory}
     */
    public Staging(Tensor memory, List<MemorySegment> images) {
        this.memory = memory;
        this.images = List.copyOf(images);
        image = this.images.getFirst();
    }

    /** The total size in bytes of the arrays that {@code reservations} reserves. */
    public static long bytes(Consumer<Staging> reservations) {
        Staging counter = new Staging(Tensor.unallocated(DType.I64, Long.MAX_VALUE / Long.BYTES),
                List.of(MemorySegment.NULL));
        reservations.accept(counter);
        return counter.used;
    }

    /**
     * Switches to the next image and discards all reservations. All copies that were enqueued from the next image must
     * have completed.
     */
    public void begin() {
        turn = (turn + 1) % images.size();
        image = images.get(turn);
        used = 0;
    }

    /** Reserves an array of n elements with undefined content. */
    public Tensor reserve(DType dtype, long n) {
        long bytes = n * dtype.bytes();
        if (used + bytes > memory.bytes()) {
            throw new IndexOutOfBoundsException(dtype + "[" + n + "] after " + used + " bytes of " + memory);
        }
        Tensor array = new Tensor(memory.address() + used, dtype, n);
        used = Math.ceilDiv(used + bytes, ALIGNMENT) * ALIGNMENT;
        return array;
    }

    /** Sets element i of a reserved I32 array, or of a slice of a reserved array. */
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

    /** The reserved part of the image, to be copied into {@link #memory}. */
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
