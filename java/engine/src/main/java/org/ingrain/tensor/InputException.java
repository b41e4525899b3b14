package org.ingrain.tensor;

/**
 * Something the user gave cannot be used. The message is one line that names the file, field or flag, what was found and what was
 * expected; the command line prints it and exits with status 2.
 */
public final class InputException extends RuntimeException {
    public InputException(String message) {
        super(oneLine(message));
    }

    public InputException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    // What was found may hold line breaks of its own.
    private static String oneLine(String message) {
        return message.replaceAll("[\\p{Cntrl}\u0085\u2028\u2029]+", " ");
    }
}
