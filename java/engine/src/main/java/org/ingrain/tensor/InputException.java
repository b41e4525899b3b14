package org.ingrain.tensor;

/**
 * An error in the user's input. The message is one line that names the file or the field, the value found and the value
 * expected. The command line prints the message and exits with status 2.
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
     * Creates an exception about an invalid setting, such as {@code maxTokens: 0, expected 1 or more}. The command line
     * replaces the field name with its flag.
     *
     * @param field name of the setting, in camel case
     * @param text  the value found and the values expected; names of other settings in the text are in camel case too
     */
    public static InputException field(String field, String text) {
        return new InputException(field, field + ": " + text, null);
    }

    /** Name of the setting at the start of the message; null if the message is not about a setting. */
    public String field() {
        return field;
    }

    // A quoted value may contain line breaks.
    private static String oneLine(String message) {
        return message.replaceAll("[\\p{Cntrl}\u0085\u2028\u2029]+", " ");
    }
}
