package org.ingrain.tensor;

/** Thrown if a backend rejects a call, or if a call fails. The message contains the backend's error text. */
public final class BackendException extends RuntimeException {
    private final int status;

    public BackendException(String operation, int status, String message) {
        super(operation + ": " + message);
        this.status = status;
    }

    /** The status code, as numbered in {@code ingrain.h}. */
    public int status() {
        return status;
    }

    /** Whether the failure is an out-of-memory error. */
    public boolean outOfMemory() {
        return status == 2;
    }
}
