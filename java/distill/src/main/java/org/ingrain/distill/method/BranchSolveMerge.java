package org.ingrain.distill.method;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Pairwise judging by criteria: compares the sums of the scores of two responses (arXiv:2310.15123). */
final class BranchSolveMerge {
    static final int MOST_CRITERIA = 5;
    /**
     * {@code 1. }, {@code 2) }, {@code - } or {@code * } before a criterion. Bold markup may begin before the number.
     */
    private static final Pattern ITEM = Pattern.compile(
            "^(?:[-*•]\\s+)?(\\*\\*)?\\(?\\d+[.):](?:\\*\\*)?\\s+(\\S.*)$|^[-*•]\\s+(\\S.*)$");
    /** A score from 1 to 5. If a maximum is given, it is 5. */
    private static final String SCORE = "([1-4](?:\\.\\d+)?|5(?:\\.0+)?)(?!\\.?\\d)(?!\\s*/\\s*(?!5\\b)\\d)";
    private static final String NAME = "\\b(?i:assistant|response)\\s+%1$s\\b(?:['’]s)?(?i:\\s+(?:response|answer))?";
    /** A line with a score and nothing else. */
    private static final String LINE = "(?m)^[^\\w\\n]*" + NAME + "(?i:[^\\w\\n]+(?:score|rating))?[^\\w\\n]*" + SCORE
            + "(?i:\\s*(?:/|out of)\\s*5)?[^\\w\\n]*$";
    /**
     * A score within a line: alone in brackets, or after a few small words and not before a noun, as in "3 sentences".
     */
    private static final String WITHIN = NAME + "(?:\\s*\\((?i:score\\W{1,3})?" + SCORE + "(?:\\s*/\\s*5)?\\)"
            + "|[^\\w\\n(]{0,6}(?i:(?:score|scores|rating|is|gets|receives|earns|deserves|a|an|of|"
            + "with)\\b[^\\w\\n(]{1,6}){0,5}(?<![\\w.])" + SCORE
            + "(?=\\s*(?:[^\\w\\s]|$)|\\s*\\n|\\s+[A-Z]|\\s+(?i:out|points?|stars?|because|since|as|for|and|while|"
            + "but)\\b))";

    private BranchSolveMerge() {
    }

    /**
     * The first five items of a list. If any items are numbered, only those count, because the others are details of
     * them. Without a list: the first five lines, after a line that introduces them.
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
                // If the bold markup began before the number, its end remains.
                numbered.add((item.group(1) == null ? item.group(2) : item.group(2).replaceFirst("\\*\\*", ""))
                        .strip());
            }
        }
        List<String> items = numbered.isEmpty() ? bullets : numbered;
        boolean announced = lines.size() > 1 && lines.getFirst().replace("*", "").strip().endsWith(":");
        List<String> criteria = items.isEmpty() ? lines.subList(announced ? 1 : 0, lines.size()) : items;
        return criteria.subList(0, Math.min(criteria.size(), MOST_CRITERIA));
    }

    /** The two sums and the verdict: A, B, or C for a tie. Criteria without both scores do not count. */
    static Optional<String> merge(List<String> texts) {
        double a = 0;
        double b = 0;
        int scored = 0;
        for (String text : texts) {
            Optional<Double> first = score(text, 'A');
            Optional<Double> second = score(text, 'B');
            if (first.isPresent() && second.isPresent()) {
                a += first.get();
                b += second.get();
                scored++;
            }
        }
        if (scored == 0) {
            return Optional.empty();
        }
        String verdict = a > b ? "A" : b > a ? "B" : "C";
        return Optional.of(scored + " of " + texts.size() + " criteria, A " + a + ", B " + b + ": [[" + verdict + "]]");
    }

    /**
     * The last score from 1 to 5 of {@code Assistant A} or {@code Response A} that stands alone on its line; if there
     * is none, the last score anywhere.
     */
    private static Optional<Double> score(String text, char letter) {
        return last(LINE, letter, text).or(() -> last(WITHIN, letter, text));
    }

    private static Optional<Double> last(String pattern, char letter, String text) {
        return Pattern.compile(pattern.formatted(letter)).matcher(text).results()
                .map(found -> Double.valueOf(found.group(1) == null ? found.group(2) : found.group(1)))
                .reduce((x, y) -> y);
    }
}
