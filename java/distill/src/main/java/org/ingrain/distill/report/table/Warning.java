package org.ingrain.distill.report.table;

/**
 * A reason to doubt the result of a run.
 *
 * @param kind short name for programs, such as {@code labels-one-sided}
 * @param text what was found, with figures, in whole sentences
 * @param next what the user should do next, in whole sentences
 */
public record Warning(String kind, String text, String next) {
    /** The warning as one line for a terminal. */
    public String line() {
        return text + " " + next;
    }
}
