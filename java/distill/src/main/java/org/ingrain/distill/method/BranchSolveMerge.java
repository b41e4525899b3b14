package org.ingrain.distill.method;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Judges two responses by criteria: each response gets a score for each criterion, and the sums of the scores are
 * compared (arXiv:2310.15123).
 */
final class BranchSolveMerge {
    static final int MOST_CRITERIA = 5;
    /**
     * A list item: {@code 1. }, {@code 2) }, {@code - } or {@code * }, then a criterion. The bold markup {@code **} may
     * begin before the number.
     */
    private static final Pattern ITEM = Pattern.compile(
            "^(?:[-*•]\\s+)?(\\*\\*)?\\(?\\d+[.):](?:\\*\\*)?\\s+(\\S.*)$|^[-*•]\\s+(\\S.*)$");
    /** A score from 1 to 5. If a maximum follows the score, as in {@code 4/5}, the maximum must be 5. */
    private static final String SCORE = "([1-4](?:\\.\\d+)?|5(?:\\.0+)?)(?!\\.?\\d)(?!\\s*/\\s*(?!5\\b)\\d)";
    private static final String NAME = "\\b(?i:assistant|response)\\s+%1$s\\b(?:['’]s)?(?i:\\s+(?:response|answer))?";
    /** A line that contains only the name of a response and its score. */
    private static final String LINE = "(?m)^[^\\w\\n]*" + NAME + "(?i:[^\\w\\n]+(?:score|rating))?[^\\w\\n]*" + SCORE
            + "(?i:\\s*(?:/|out of)\\s*5)?[^\\w\\n]*$";
    /**
     * A score within a line, after the name of a response. The score is alone in brackets; or at most five of the words
     * below stand between name and score, and no noun follows. So the 3 in "3 sentences" is not a score.
     */
    private static final String WITHIN = NAME + "(?:\\s*\\((?i:score\\W{1,3})?" + SCORE + "(?:\\s*/\\s*5)?\\)"
            + "|[^\\w\\n(]{0,6}(?i:(?:score|scores|rating|is|gets|receives|earns|deserves|a|an|of|"
            + "with)\\b[^\\w\\n(]{1,6}){0,5}(?<![\\w.])" + SCORE
            + "(?=\\s*(?:[^\\w\\s]|$)|\\s*\\n|\\s+[A-Z]|\\s+(?i:out|points?|stars?|because|since|as|for|and|while|"
            + "but)\\b))";

    /** A line that contains only a score. */
    private static final Pattern BARE = Pattern.compile("[^\\w\\n]*(?i:score|rating)?[^\\w\\n]*" + SCORE
            + "(?i:\\s*(?:/|out of)\\s*5)?[^\\w\\n]*");

    private BranchSolveMerge() {
    }

    /**
     * The criteria in a text, which are the first {@link #MOST_CRITERIA} items of its list. If some items are numbered,
     * bullets are ignored, because they are details of the numbered items. If the text has no list, each line is an
     * item; a first line that ends with a colon is a heading and is ignored.
     */
    static List<String> criteria(String text) {
        List<String> lines = text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
        List<String> numbered = new ArrayList<>();
        List<String> bullets = new ArrayList<>();
        for (String line : lines) {
            Matcher item = ITEM.matcher(line);
            if (item.matches() && item.group(2) == null) {
                bullets.add(item.group(3).strip());
            } else if (item.matches()) {
                // If the bold markup began before the number, the item still contains the closing asterisks.
                numbered.add((item.group(1) == null ? item.group(2) : item.group(2).replaceFirst("\\*\\*", ""))
                        .strip());
            }
        }
        List<String> items = numbered.isEmpty() ? bullets : numbered;
        boolean announced = lines.size() > 1 && lines.getFirst().replace("*", "").strip().endsWith(":");
        List<String> criteria = items.isEmpty() ? lines.subList(announced ? 1 : 0, lines.size()) : items;
        return criteria.subList(0, Math.min(criteria.size(), MOST_CRITERIA));
    }

    /**
     * The name of a criterion, which is the text before its description, such as {@code Depth} in {@code Depth: is it
     * deep?}
     */
    static String name(String criterion) {
        String plain = criterion.replace("*", "").strip();
        String name = plain.split(":|\\s[-–—]\\s", 2)[0].strip();
        return name.isEmpty() ? plain : name;
    }

    /**
     * Adds up the scores of each response over the criteria for which both responses have a score. Returns a text with
     * the two sums and the verdict A, B or C (tie); empty if no criterion has both scores.
     */
    static Optional<String> merge(List<String> texts) {
        double a = 0;
        double b = 0;
        int scored = 0;
        for (String text : texts) {
            Optional<Scores> scores = scores(text);
            if (scores.isPresent()) {
                a += scores.get().a();
                b += scores.get().b();
                scored++;
            }
        }
        if (scored == 0) {
            return Optional.empty();
        }
        String verdict = a > b ? "A" : b > a ? "B" : "C";
        return Optional.of(scored + " of " + texts.size() + " criteria, A " + a + ", B " + b + ": [[" + verdict + "]]");
    }

    /** The scores of both responses. */
    private record Scores(double a, double b) {
    }

    /**
     * The scores that a text states with the names of the responses. If such a score is missing for a response, and
     * each of the first two lines has only a score, then the first score is A's and the second is B's, because the
     * prompt demands this order.
     */
    private static Optional<Scores> scores(String text) {
        Optional<Double> first = score(text, 'A');
        Optional<Double> second = score(text, 'B');
        if (first.isPresent() && second.isPresent()) {
            return Optional.of(new Scores(first.get(), second.get()));
        }
        List<Matcher> bare = text.lines().filter(line -> !line.isBlank()).limit(2).map(BARE::matcher)
                .filter(Matcher::matches).toList();
        return bare.size() < 2 ? Optional.empty() : Optional.of(new Scores(
                Double.parseDouble(bare.getFirst().group(1)), Double.parseDouble(bare.getLast().group(1))));
    }

    /**
     * Returns the score of one response in a text. For response A, it is the score on the last line that contains only
     * {@code Assistant A} or {@code Response A} and a score. If there is no such line, it is the last score that
     * follows the name of the response within a line.
     */
    private static Optional<Double> score(String text, char letter) {
        return last(LINE, letter, text).or(() -> last(WITHIN, letter, text));
    }

    private static Optional<Double> last(String pattern, char letter, String text) {
        return Pattern.compile(String.format(Locale.ROOT, pattern, letter)).matcher(text).results()
                .map(found -> Double.valueOf(found.group(1) == null ? found.group(2) : found.group(1)))
                .reduce((x, y) -> y);
    }
}
