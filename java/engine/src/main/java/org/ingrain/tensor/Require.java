package org.ingrain.tensor;

/** Checks of settings that name the flag they refuse. */
public final class Require {
    private Require() {
    }

    public static void that(boolean holds, String flag, Object found, String expected) {
        if (!holds) {
            throw new InputException(flag + " is " + found + ", expected " + expected);
        }
    }

    public static void atLeast(int least, String flag, int found) {
        that(found >= least, flag, found, least + " or more");
    }

    /** Refuses NaN and infinities too. */
    public static void within(double low, double high, String flag, double found) {
        that(found >= low && found <= high, flag, found, "a number from " + low + " to " + high);
    }
}
