package org.ingrain.jni;

/**
 * Calls of the CUDA driver, implemented once for each of two bindings. Each implementation contains its own loops, so
 * that no loop runs code of the other binding. The kernel only executes {@code *out = count}. It is the smallest kernel
 * whose arguments can be checked.
 */
interface Driver {
    /** The kernel as PTX of CUDA 11.0. Every driver that the CUDA backend supports can load this kernel. */
    String PTX = """
            .version 7.0
            .target sm_80
            .address_size 64
            .visible .entry mark(.param .u64 out, .param .u32 count) {
              .reg .b64 %address;
              .reg .b32 %value;
              ld.param.u64 %address, [out];
              ld.param.u32 %value, [count];
              cvta.to.global.u64 %address, %address;
              st.global.u32 [%address], %value;
              ret;
            }
            """;
    String KERNEL = "mark";
    int NON_BLOCKING = 1;   // CU_STREAM_NON_BLOCKING

    /** Calls cuDriverGetVersion a number of times and returns the version. */
    int version(int calls) throws Throwable;

    /** Calls cuLaunchKernel a number of times, with counts 0, 1, 2 ... */
    void launch(int calls) throws Throwable;

    /** Waits until all launched kernels have finished. */
    void drain() throws Throwable;

    /** Returns the count that the last launch stored. */
    int marked() throws Throwable;
}
