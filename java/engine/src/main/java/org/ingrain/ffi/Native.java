package org.ingrain.ffi;

import org.ingrain.tensor.BackendException;

/** Runs downcalls and throws a BackendException if a downcall returns an error status. */
final class Native {
    private Native() {
    }

    /** A downcall that returns a status. */
    interface Call {
        int run() throws Throwable;
    }

    /** A downcall that returns a 64-bit value. */
    interface LongCall {
        long run() throws Throwable;
    }

    static int status(Call call) {
        try {
            return call.run();
        } catch (Throwable e) {
            throw thrown(e);
        }
    }

    /** Rethrows an unchecked exception or an error. For a checked exception, which is unexpected, returns an error. */
    static AssertionError thrown(Throwable e) {
        if (e instanceof RuntimeException unchecked) {
            throw unchecked;
        }
        if (e instanceof Error error) {
            throw error;
        }
        return new AssertionError("a downcall threw a checked exception", e);
    }

    static long size(LongCall call) {
        try {
            return call.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("a downcall threw a checked exception", e);
        }
    }

    static void check(String operation, String error, int status) {
        if (status != 0) {
            throw new BackendException(operation, status, error);
        }
    }
}
