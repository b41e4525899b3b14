package org.ingrain.cli.progress;

import org.ingrain.ffi.Context;

/** Products that a slower kernel computed than the one meant for them: results are right, speed is not what it could be. */
public final class Fallbacks {
    private Fallbacks() {
    }

    /** One warning with the first of them and how many there were; nothing where there was none. */
    public static void warn(Context context) {
        if (context.fallbacks() > 0) {
            System.err.println("ingrain: warning: " + context.fallback() + " (" + context.fallbacks() + " such calls)");
        }
    }
}
