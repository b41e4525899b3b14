package org.ingrain.distill.task;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Finds a yes or a no in what a model says. */
final class YesNo {
    private static final Pattern CUED = Pattern.compile("(?i)\\banswer(?: is| would be|:| is:)[\\s\"'*“]*(yes|no)\\b");
    private static final Pattern AT_ONCE = Pattern.compile("(?i)^[\\s\"'*“]*(yes|no)\\b");
    private static final Pattern WORD = Pattern.compile("(?i)\\b(yes|no)\\b");

    private YesNo() {
    }

    /** After the last {@code answer is}, else at the very beginning. */
    static Optional<String> stated(String text) {
        Optional<String> cued = last(CUED, text);
        return cued.isPresent() ? cued : last(AT_ONCE, text);
    }

    /** The last yes or no, wherever it stands. */
    static Optional<String> mentioned(String text) {
        return last(WORD, text);
    }

    private static Optional<String> last(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        String found = null;
        while (matcher.find()) {
            found = matcher.group(1).toLowerCase(Locale.ROOT);
        }
        return Optional.ofNullable(found);
    }
}
