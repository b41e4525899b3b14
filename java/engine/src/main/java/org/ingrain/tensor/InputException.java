package org.ingrain.tensor;

/**
 * Something the user gave cannot be used. The message is one line that names the file or the field, what was found and
 * what was expected; the command line prints it and exits with status 2.
 */
public final class InputException extends RuntimeException {
    private final String field;

    public InputException(String message) {
        this(message, null);
    }

    public InputException(String message, Throwable cause) {
        this(null, message, cause);
    }

    private InputException(String field, String message, Throwable cause) {
        super(oneLine(message), cause);
        this.field = field;
    }

    /**
     * A setting cannot be used: {@code maxTokens: 0, expected 1 or more}. The command line puts its flag in the field's
     * place.
     *
     * @param field name of the setting, in camel case
     * @param text  what was found and what was expected; it names other settings in camel case too
     */
    public static InputException field(String field, String text) {
        return new InputException(field, field + ": " + text, null);
    }

    /** The setting that the message begins with, or null. */
    public String field() {
        return field;
    }

    // What was found may hold line breaks of its own.
    private static String oneLine(String message) {
        return message.replaceAll("[\\p{Cntrl}\u0085\u2028\u2029]+", " ");
    }
}
