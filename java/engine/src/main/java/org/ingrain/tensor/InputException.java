package org.ingrain.tensor;

/**
 * Something the user gave cannot be used. The message is one line that names the file, field or flag, what was found and what was
 * expected; the command line prints it and exits with status 2.
 */
public final class InputException extends RuntimeException {
    public InputException(String message) {
        super(message);
    }

    public InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
