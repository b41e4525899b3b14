package org.ingrain.distill.task;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Finds a yes or a no in what a model says, and what it denies. */
final class YesNo {
    /** A no that is a clause of its own, unlike that of "no longer" or "no flips". */
    private static final String WORD =
            "(yes\\b|no\\b(?=[\"'*”]*\\h*(?:[^\\p{L}\\p{N}\\s-]|-(?!\\p{L})|\\R|$)|\\h+(?:because|since|as)\\b))";
    private static final Pattern CUED = Pattern.compile("(?i)\\banswer(?: is| would be|:| is:)[\\s\"'*“]*" + WORD);
    private static final Pattern AT_ONCE = Pattern.compile("(?i)^[\\s\"'*“]*" + WORD);
    private static final Pattern ANYWHERE = Pattern.compile("(?i)\\b" + WORD);
    /** What is left of a clause, to the end of the text. */
    private static final String CLAUSE =
            "(?:(?!\\b(?:but|and|so|because|since|which)\\b|[.,;:!?](?!\\p{L})|[()–—]%s).)*\\z";
    /** A not that belongs to a flip or a change says nothing of the state behind it. */
    private static final Pattern DENIAL = Pattern.compile(
            "(?i)(?:\\b(?:not|cannot|no longer|instead of|rather than)|n['’]t)\\b"
            + CLAUSE.formatted("|\\b(?:flip|chang|revers|affect)"));
    private static final Pattern OPEN = Pattern.compile("(?i)\\b(?:whether|if)\\b" + CLAUSE.formatted(""));

    private YesNo() {
    }

    /** After the last {@code answer is}, else at the very beginning. */
    static Optional<String> stated(String text) {
        return last(CUED, text).or(() -> last(AT_ONCE, text));
    }

    /** The last yes or no, wherever it stands. */
    static Optional<String> mentioned(String text) {
        return last(ANYWHERE, text);
    }

    /**
     * Whether what follows a text is denied: a not, n't or no longer stands before it in the same clause. The rule is
     * ours.
     */
    static boolean denied(String before) {
        return DENIAL.matcher(before).find();
    }

    /**
     * Whether what follows a text is left open: a whether or an if stands before it in the same clause. The rule is
     * ours.
     */
    static boolean open(String before) {
        return OPEN.matcher(before).find();
    }

    private static Optional<String> last(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(1).toLowerCase(Locale.ROOT))
                .reduce((a, b) -> b);
    }
}
