package org.ingrain.distill.task;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Finds the words "yes" and "no", and negations, in a model's text. */
final class YesNo {
    /**
     * The word "yes", or a "no" that is an answer. Such a "no" is at the end of a clause, or before "because", "since"
     * or "as". The "no" in "no longer" or "no flips" does not match.
     */
    private static final String WORD =
            "(yes\\b|no\\b(?=[\"'*”]*\\h*(?:[^\\p{L}\\p{N}\\s-]|-(?!\\p{L})|\\R|$)|\\h+(?:because|since|as)\\b))";
    private static final Pattern CUED = Pattern.compile("(?i)\\banswer(?: is| would be|:| is:)[\\s\"'*“]*" + WORD);
    private static final Pattern AT_ONCE = Pattern.compile("(?i)^[\\s\"'*“]*" + WORD);
    private static final Pattern ANYWHERE = Pattern.compile("(?i)\\b" + WORD);
    /**
     * Matches the rest of a text if no new clause begins in it. {@code %s} is a place for further expressions that must
     * not match anywhere in the rest.
     */
    private static final String CLAUSE =
            "(?:(?!\\b(?:but|and|so|because|since|which)\\b|[.,;:!?](?!\\p{L})|[()–—]%s).)*\\z";
    /**
     * A negation in the last clause of a text. The negation of a verb such as {@code flip} or {@code change} does not
     * match: in {@code does not change heads}, the side of the coin is not negated.
     */
    private static final Pattern DENIAL = Pattern.compile(
            "(?i)(?:\\b(?:not|cannot|no longer|instead of|rather than)|n['’]t)\\b"
            + String.format(Locale.ROOT, CLAUSE, "|\\b(?:flip|chang|revers|affect)"));
    private static final Pattern OPEN = Pattern.compile(
            "(?i)\\b(?:whether|if)\\b" + String.format(Locale.ROOT, CLAUSE, ""));

    /**
     * Maximum number of characters before a word that are searched for a negation. Without this limit, the time for a
     * long text would not be linear.
     */
    private static final int LONGEST_CLAUSE = 1000;

    private YesNo() {
    }

    /** Returns the text before a word, shortened to the length that {@link #denied} and {@link #open} search. */
    static String before(String text, int start) {
        return text.substring(Math.max(0, start - LONGEST_CLAUSE), start);
    }

    /**
     * The "yes" or "no" after the last {@code answer is} or a similar phrase. If there is no such phrase, the result is
     * the "yes" or "no" at the start of the text.
     */
    static Optional<String> stated(String text) {
        return last(CUED, text).or(() -> last(AT_ONCE, text));
    }

    /** The last "yes" or "no" in the text. */
    static Optional<String> mentioned(String text) {
        return last(ANYWHERE, text);
    }

    /**
     * Whether the word that follows this text is negated by "not", "n't", "no longer" or similar words in the last
     * clause of the text. This rule is not from the paper.
     */
    static boolean denied(String before) {
        return DENIAL.matcher(before).find();
    }

    /**
     * Whether the last clause of this text contains "whether" or "if". If so, the word that follows the text states no
     * answer, such as {@code heads} in {@code whether heads}. This rule is not from the paper.
     */
    static boolean open(String before) {
        return OPEN.matcher(before).find();
    }

    private static Optional<String> last(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(1).toLowerCase(Locale.ROOT))
                .reduce((a, b) -> b);
    }
}
