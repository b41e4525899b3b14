package org.ingrain.jni;

/**
 * The same calls of the CUDA driver through one of two bindings. Each binding contains the loops itself, so that a
 * loop has no code but the binding's. The kernel is the smallest whose arguments can be checked: {@code *out = count}.
 */
interface Driver {
    /** PTX of CUDA 11.0. Every driver that our library runs on can load it. */
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

    /** Waits for everything launched. */
    void drain() throws Throwable;

    /** The count that the last launch stored. */
    int marked() throws Throwable;
}
