package org.ingrain.ffi;

import org.ingrain.tensor.InputException;

/**
 * Options for opening a context.
 *
 * @param device  number of the device in the backend, from 0
 * @param threads CPU threads, 0 for all cores; at most 4096
 * @param isa     CPU instruction set: auto, avx2, avx512, avx512_bf16 or amx
 */
public record ContextOptions(int device, int threads, String isa) {
    private static final int MOST_THREADS = 4096;

    public ContextOptions {
        if (device < 0) {
            throw InputException.field("device", "number " + device + ", expected 0 or more");
        }
        if (threads < 0 || threads > MOST_THREADS) {
            throw InputException.field("threads", threads + ", expected 0 (all cores) to " + MOST_THREADS);
        }
    }

    /** Options for device 0 with all cores and the best available instruction set. */
    public static ContextOptions defaults() {
        return new ContextOptions(0, 0, "auto");
    }
}
