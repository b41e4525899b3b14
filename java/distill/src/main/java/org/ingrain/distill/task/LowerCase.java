package org.ingrain.distill.task;

import java.util.Locale;

/** Converts text to lower case in linear time. */
final class LowerCase {
    private LowerCase() {
    }

    /**
     * Returns the same text as {@link String#toLowerCase(Locale)} with {@link Locale#ROOT}. Each capital I with a dot
     * is replaced first, because {@code toLowerCase} copies the whole text each time it finds this letter. No other
     * letter becomes longer in lower case.
     */
    static String of(String text) {
        return text.replace("\u0130", "i\u0307").toLowerCase(Locale.ROOT);
    }
}
