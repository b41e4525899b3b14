package org.ingrain.tensor;

import java.util.Collection;

/** Validation of settings. The exceptions name the field. */
public final class Require {
    private Require() {
    }

    public static void that(boolean holds, String field, Object found, String expected) {
        if (!holds) {
            throw InputException.field(field, found + ", expected " + expected);
        }
    }

    /** Requires a value that is not null; a record that was read from JSON has nulls for missing fields. */
    public static void present(String field, Object found) {
        if (found == null) {
            throw InputException.field(field, "missing");
        }
    }

    /** Requires a list without nulls. */
    public static void complete(String field, Collection<?> found) {
        present(field, found);
        found.forEach(element -> that(element != null, field, "a list with null", "values only"));
    }

    public static void atLeast(int least, String field, int found) {
        that(found >= least, field, found, least + " or more");
    }

    /** Requires a value from {@code low} to {@code high}. Rejects NaN and infinities too. */
    public static void within(double low, double high, String field, double found) {
        that(found >= low && found <= high, field, found, "a number from " + low + " to " + high);
    }
}
