package org.ingrain.ffi;

import org.ingrain.tensor.BackendException;

/** One downcall: its status, and what a bad one turns into. */
final class Native {
    private Native() {
    }

    /** A call through a method handle. */
    interface Call {
        int run() throws Throwable;
    }

    /** A call that returns a size. */
    interface LongCall {
        long run() throws Throwable;
    }

    static int status(Call call) {
        try {
            return call.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("a downcall throws nothing checked", e);
        }
    }

    static long size(LongCall call) {
        try {
            return call.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("a downcall throws nothing checked", e);
        }
    }

    static void check(String operation, String error, int status) {
        if (status != 0) {
            throw new BackendException(operation, status, error);
        }
    }
}
