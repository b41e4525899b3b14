package org.ingrain.tensor;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Finds the name that a user probably meant by a mistyped name. */
public final class Similar {
    private Similar() {
    }

    /** The text {@code (did you mean NAME?)} with a space before it; empty if no known name is similar. */
    public static String hint(String name, Collection<String> known) {
        return closest(name, known).map(found -> " (did you mean " + found + "?)").orElse("");
    }

    /**
     * The known name with the smallest distance to a name; the first one if several have this distance. Empty if the
     * smallest distance is greater than a third of the name's length, rounded up.
     */
    public static Optional<String> closest(String name, Collection<String> known) {
        int most = Math.ceilDiv(name.length(), 3);
        return known.stream().filter(other -> distance(name, other) <= most)
                .min(Comparator.comparingInt(other -> distance(name, other)));
    }

    /** Number of inserted, removed, replaced and transposed characters (optimal string alignment). */
    private static int distance(String a, String b) {
        int[][] d = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    d[i][j] = i + j;
                    continue;
                }
                int replaced = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                d[i][j] = Math.min(d[i - 1][j - 1] + replaced, 1 + Math.min(d[i - 1][j], d[i][j - 1]));
                if (i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1)) {
                    d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
                }
            }
        }
        return d[a.length()][b.length()];
    }
}
