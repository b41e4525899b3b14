package org.ingrain.tensor;

/** Validation of settings. The exceptions name the field. */
public final class Require {
    private Require() {
    }

    public static void that(boolean holds, String field, Object found, String expected) {
        if (!holds) {
            throw InputException.field(field, found + ", expected " + expected);
        }
    }

    public static void atLeast(int least, String field, int found) {
        that(found >= least, field, found, least + " or more");
    }

    /** Requires a value from {@code low} to {@code high}. Rejects NaN and infinities too. */
    public static void within(double low, double high, String field, double found) {
        that(found >= low && found <= high, field, found, "a number from " + low + " to " + high);
    }
}
