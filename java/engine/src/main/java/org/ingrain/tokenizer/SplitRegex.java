package org.ingrain.tokenizer;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Recognises the regular expressions of the published pre-tokenizers (GPT-2, cl100k, o200k, Llama 3, Qwen2, DeepSeek,
 * Tekken) and other expressions of the same form. This form consists of alternatives. An alternative is a sequence of
 * single characters, character classes, groups of literal words, and lookaheads of one character; each of these has at
 * most one quantifier. The time of a match is linear in the length of the match, because an alternative has at most two
 * unbounded quantifiers, and only optional elements after the second one. An expression of this form never matches an
 * empty text. Other expressions can need exponential time, or can exceed the retry limit of the tokenizers library,
 * which then aborts the process.
 */
final class SplitRegex {
    private static final String CLASS = "\\[\\^?+\\]?+(?:\\[:\\^?\\w+:]|\\\\.|[^\\\\\\]\\[])++]";
    private static final String ESCAPE = "\\\\(?:[pP]\\{\\^?\\w++}|[sSdDwWrntv]|[^\\p{L}\\p{N}])";
    private static final Pattern PIECE = Pattern.compile("(?s)(?:(?<atom>" + CLASS + "|" + ESCAPE
            + "|[^\\\\\\[\\](){}|?*+^$])|(?<words>\\(\\?i?:(?:[^()\\[\\]\\\\*+?{}.]|\\[\\w++])++\\))"
            + "|(?<ahead>\\(\\?[!=](?:" + CLASS + "|" + ESCAPE + ")\\)|\\$))"
            + "(?<quantifier>[?*+]|\\{\\d{1,2}(?:,\\d{0,2})?})?+|(?<or>\\|)");
    /**
     * Maximum number of ways to match the bounded quantifiers of an alternative. Before a match fails, the library
     * tries all of these ways.
     */
    private static final int MAX_CHOICES = 4;

    private int unbounded;
    private int choices = 1;
    private boolean required;

    private SplitRegex() {
    }

    /** Whether an expression has the known form. */
    static boolean isKnown(String regex) {
        SplitRegex alternative = new SplitRegex();
        Matcher piece = PIECE.matcher(regex);
        int end = 0;
        for (; end < regex.length() && piece.region(end, regex.length()).lookingAt(); end = piece.end()) {
            if (piece.group("or") != null) {
                if (!alternative.required) {
                    return false;
                }
                alternative = new SplitRegex();
            } else if (!alternative.add(piece)) {
                return false;
            }
        }
        return end == regex.length() && alternative.required;
    }

    private boolean add(Matcher piece) {
        String quantifier = piece.group("quantifier") == null ? "" : piece.group("quantifier");
        boolean optional = quantifier.matches("[?*]|\\{0.*");
        boolean endless = quantifier.matches("[*+]|\\{\\d+,}");
        if (unbounded == 2 && (endless || !optional) || piece.group("atom") == null && endless) {
            return false;
        }
        if (piece.group("ahead") != null) {
            return quantifier.isEmpty();
        }
        required |= !optional;
        unbounded += endless ? 1 : 0;
        if (!endless && !quantifier.isEmpty()) {
            String[] bounds = quantifier.equals("?") ? new String[] {"0", "1"}
                    : quantifier.substring(1, quantifier.length() - 1).split(",");
            choices *= Math.max(1, Integer.parseInt(bounds[bounds.length - 1]) - Integer.parseInt(bounds[0]) + 1);
        }
        return choices <= MAX_CHOICES;
    }
}
