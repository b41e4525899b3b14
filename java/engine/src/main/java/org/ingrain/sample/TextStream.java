package org.ingrain.sample;

import java.util.List;

/**
 * Collects the decoded text of a sample and searches it for stop strings. Text that may be the beginning of a stop
 * string is withheld.
 */
final class TextStream {
    private final List<String> stops;
    private final StringBuilder text = new StringBuilder();
    private int emitted;
    private boolean stopped;
    /** Number of leading characters of the text in which no stop string may end. */
    private int exempt;

    TextStream(List<String> stops) {
        this.stops = stops;
    }

    /**
     * Appends decoded text and returns the text that is no longer withheld. Sets {@link #stopped} if the text contains
     * a complete stop string.
     */
    String append(String piece) {
        int searchFrom = Math.max(0, text.length() - longest());
        text.append(piece);
        int end = firstStop(searchFrom);
        if (end >= 0) {
            text.setLength(end);
            stopped = true;
        }
        return emit(stopped ? text.length() : text.length() - heldBack());
    }

    /**
     * Appends decoded text in which no stop string may end, and returns the text that is no longer withheld. A stop
     * string may begin in this text and end in later text.
     */
    String appendExempt(String piece) {
        text.append(piece);
        exempt = text.length();
        return emit(text.length() - heldBack());
    }

    /** Returns the withheld text. Returns an empty string if a stop string was found. */
    String flush() {
        return emit(text.length());
    }

    boolean stopped() {
        return stopped;
    }

    String text() {
        return text.toString();
    }

    private String emit(int end) {
        String piece = text.substring(Math.min(emitted, end), end);
        emitted = Math.max(emitted, end);
        return piece;
    }

    private int longest() {
        return stops.stream().mapToInt(String::length).max().orElse(0);
    }

    private int firstStop(int from) {
        return stops.stream().mapToInt(stop -> text.indexOf(stop, Math.max(from, exempt - stop.length() + 1)))
                .filter(i -> i >= 0).min().orElse(-1);
    }

    /** Length of the longest suffix of the text that is a prefix of a stop string. */
    private int heldBack() {
        int held = 0;
        for (String stop : stops) {
            for (int n = Math.min(stop.length() - 1, text.length()); n > held; n--) {
                if (stop.startsWith(text.substring(text.length() - n))) {
                    held = n;
                }
            }
        }
        return held;
    }
}
