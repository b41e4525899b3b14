package org.ingrain.distill.method;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Pairwise judging by criteria: sums the scores that two responses get for each (arXiv:2310.15123). */
final class BranchSolveMerge {
    static final int MOST_CRITERIA = 5;
    /** {@code 1. }, {@code 2) }, {@code - } and {@code * } before a criterion. */
    private static final Pattern ITEM = Pattern.compile("^\\s*(?:\\(?\\d+[.):]|[-*•])\\s+(\\S.*)$");
    private static final String SCORE = "\\W{0,12}(?:score|rating)?\\W{0,12}([1-5](?:\\.\\d+)?)(?![\\d.]*\\d)";

    private BranchSolveMerge() {
    }

    /** The first five items of a list; where there is no list, the first five lines. */
    static List<String> criteria(String text) {
        List<String> lines = text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
        List<String> items = new ArrayList<>();
        for (String line : lines) {
            Matcher item = ITEM.matcher(line);
            if (item.matches()) {
                items.add(item.group(1).strip());
            }
        }
        List<String> criteria = items.isEmpty() ? lines : items;
        return criteria.subList(0, Math.min(criteria.size(), MOST_CRITERIA));
    }

    /** The verdict, A, B or C for a tie, behind the two sums; criteria without both scores do not count. */
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

    /** The last score from 1 to 5 that stands behind {@code Assistant A} or {@code Response A}. */
    private static Optional<Double> score(String text, char letter) {
        Pattern pattern = Pattern.compile("(?i)\\b(?:assistant|response)\\s+" + letter + "(?:'s)?(?:\\s+(?:response|answer))?" + SCORE);
        return pattern.matcher(text).results().map(found -> Double.valueOf(found.group(1))).reduce((x, y) -> y);
    }
}
