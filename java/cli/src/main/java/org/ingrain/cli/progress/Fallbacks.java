package org.ingrain.cli.progress;

import org.ingrain.ffi.Context;

/** Calls that something slower computed than what was meant for them: results are right, speed is not what it could be. */
public final class Fallbacks {
    private static final int SHOWN = 8;

    private Fallbacks() {
    }

    /** A warning for each op and size, the first few of them. */
    public static void warn(Context context) {
        var all = context.fallbacks();
        all.entrySet().stream().limit(SHOWN).forEach(one ->
                System.err.println("ingrain: warning: " + one.getKey() + " (" + one.getValue() + " such calls)"));
        if (all.size() > SHOWN) {
            System.err.println("ingrain: warning: " + (all.size() - SHOWN) + " more such ops or sizes");
        }
    }
}
