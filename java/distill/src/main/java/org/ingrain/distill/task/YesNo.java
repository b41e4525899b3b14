package org.ingrain.distill.task;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Finds yes, no and negations in a model's text. */
final class YesNo {
    /** Yes, or a no that is a whole clause, unlike the no in "no longer" or "no flips". */
    private static final String WORD =
            "(yes\\b|no\\b(?=[\"'*”]*\\h*(?:[^\\p{L}\\p{N}\\s-]|-(?!\\p{L})|\\R|$)|\\h+(?:because|since|as)\\b))";
    private static final Pattern CUED = Pattern.compile("(?i)\\banswer(?: is| would be|:| is:)[\\s\"'*“]*" + WORD);
    private static final Pattern AT_ONCE = Pattern.compile("(?i)^[\\s\"'*“]*" + WORD);
    private static final Pattern ANYWHERE = Pattern.compile("(?i)\\b" + WORD);
    /** The rest of a clause, up to the end of the text. */
    private static final String CLAUSE =
            "(?:(?!\\b(?:but|and|so|because|since|which)\\b|[.,;:!?](?!\\p{L})|[()–—]%s).)*\\z";
    /** A negation. A negated flip or change does not negate the state that follows it. */
    private static final Pattern DENIAL = Pattern.compile(
            "(?i)(?:\\b(?:not|cannot|no longer|instead of|rather than)|n['’]t)\\b"
            + CLAUSE.formatted("|\\b(?:flip|chang|revers|affect)"));
    private static final Pattern OPEN = Pattern.compile("(?i)\\b(?:whether|if)\\b" + CLAUSE.formatted(""));

    private YesNo() {
    }

    /** The yes or no after the last {@code answer is}; else the one at the start of the text. */
    static Optional<String> stated(String text) {
        return last(CUED, text).or(() -> last(AT_ONCE, text));
    }

    /** The last yes or no in the text. */
    static Optional<String> mentioned(String text) {
        return last(ANYWHERE, text);
    }

    /**
     * Whether the word after this text is negated by a not, n't or no longer in the same clause. This rule is not from
     * the paper.
     */
    static boolean denied(String before) {
        return DENIAL.matcher(before).find();
    }

    /**
     * Whether the word after this text is left open by a whether or an if in the same clause. This rule is not from the
     * paper.
     */
    static boolean open(String before) {
        return OPEN.matcher(before).find();
    }

    private static Optional<String> last(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(1).toLowerCase(Locale.ROOT))
                .reduce((a, b) -> b);
    }
}
