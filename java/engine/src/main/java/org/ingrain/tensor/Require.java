package org.ingrain.tensor;

import java.util.List;
import java.util.Objects;

/** Validation of settings. Every exception names the field. */
public final class Require {
    private Require() {
    }

    public static void that(boolean holds, String field, Object found, String expected) {
        if (!holds) {
            throw InputException.field(field, found + ", expected " + expected);
        }
    }

    /**
     * Requires a value for a field of a file. The reader of the file adds the file name and the line to the message.
     */
    public static void present(String field, Object found) {
        that(found != null, field, "missing", "a value");
    }

    /** Requires a list without null elements for a field of a file. */
    public static void present(String field, List<?> found) {
        present(field, (Object) found);
        that(found.stream().noneMatch(Objects::isNull), field, "null in a list", "values");
    }

    public static void atLeast(int least, String field, int found) {
        that(found >= least, field, found, least + " or more");
    }

    /** Requires a value from {@code low} to {@code high}. Rejects NaN and infinities too. */
    public static void within(double low, double high, String field, double found) {
        that(found >= low && found <= high, field, found, "a number from " + low + " to " + high);
    }
}
