package org.ingrain.tensor;

/** A backend refused a call or failed in it; the message is the backend's own line. */
public final class BackendException extends RuntimeException {
    private final int status;

    public BackendException(String operation, int status, String message) {
        super(operation + ": " + message);
        this.status = status;
    }

    /** The status as {@code ingrain.h} numbers it. */
    public int status() {
        return status;
    }

    /** True where memory ran out. */
    public boolean outOfMemory() {
        return status == 2;
    }
}
