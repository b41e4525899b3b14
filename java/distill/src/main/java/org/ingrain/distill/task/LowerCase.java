package org.ingrain.distill.task;

import java.util.Locale;

/** Lower case in linear time. */
final class LowerCase {
    private LowerCase() {
    }

    /**
     * As {@link String#toLowerCase(Locale)} with {@link Locale#ROOT}, which copies the whole text at each capital I
     * with a dot: the one letter that becomes longer.
     */
    static String of(String text) {
        return text.replace("\u0130", "i\u0307").toLowerCase(Locale.ROOT);
    }
}
