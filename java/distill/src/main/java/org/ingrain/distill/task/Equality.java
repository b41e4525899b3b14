package org.ingrain.distill.task;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;
import org.ingrain.tensor.InputException;

/**
 * The rule of a {@link TaskFile} that compares two answers.
 *
 * @param as        the comparison; null: ignore-case
 * @param decimals  for numeric, the number of decimals to which answers are rounded before they are compared; null: no
 *                  rounding
 * @param tolerance for numeric, the largest difference between a right answer and the gold answer; null: 0. The
 *                  tolerance is not used for votes: two answers can both be within the tolerance of a third answer but
 *                  not of each other
 * @param aliases   lists of texts that have the same meaning; the first text of a list represents all texts of the
 *                  list; null: no lists
 */
record Equality(As as, Integer decimals, Double tolerance, List<List<String>> aliases) {
    private static final int MOST_DECIMALS = 100;

    enum As {
        @JsonProperty("exact") EXACT,
        @JsonProperty("ignore-case") IGNORE_CASE,
        @JsonProperty("numeric") NUMERIC
    }

    Equality {
        as = as == null ? As.IGNORE_CASE : as;
        if (as != As.NUMERIC && (decimals != null || tolerance != null)) {
            throw new InputException("equality." + (decimals != null ? "decimals" : "tolerance")
                    + ": expected none unless \"as\" is \"numeric\"");
        }
        if (decimals != null && (decimals < 0 || decimals > MOST_DECIMALS)) {
            throw new InputException("equality.decimals: " + decimals + ", expected 0 to " + MOST_DECIMALS);
        }
        if (tolerance != null && !(tolerance >= 0)) {
            throw new InputException("equality.tolerance: " + tolerance + ", expected 0 or more");
        }
        aliases = aliases == null ? List.of() : aliases.stream().map(List::copyOf).toList();
        if (aliases.stream().anyMatch(same -> same.size() < 2)) {
            throw new InputException("equality.aliases: a list with fewer than two texts");
        }
    }

    /** Canonical form of an answer. Equal answers have equal keys; the tolerance is not used. */
    String key(String answer) {
        String key = plain(answer);
        return aliases.stream().filter(same -> same.stream().anyMatch(alias -> plain(alias).equals(key)))
                .map(same -> plain(same.getFirst())).findFirst().orElse(key);
    }

    private String plain(String answer) {
        return switch (as) {
            case EXACT -> answer;
            case IGNORE_CASE -> LowerCase.of(answer);
            case NUMERIC -> rounded(Numbers.key(answer).toLowerCase(Locale.ROOT));
        };
    }

    private String rounded(String number) {
        if (decimals == null) {
            return number;
        }
        try {
            return Numbers.key(Numbers.decimal(number).setScale(decimals, RoundingMode.HALF_EVEN).toPlainString());
        } catch (NumberFormatException words) {
            return number;
        }
    }

    /** Whether an answer equals a gold answer, or differs from the gold answer by at most the tolerance. */
    boolean isEqual(String answer, String gold) {
        String key = key(answer);
        String wanted = key(gold);
        if (key.equals(wanted) || tolerance == null) {
            return key.equals(wanted);
        }
        try {
            return Numbers.decimal(key).subtract(Numbers.decimal(wanted)).abs()
                    .compareTo(BigDecimal.valueOf(tolerance)) <= 0;
        } catch (NumberFormatException words) {
            return false;
        }
    }
}
