package org.ingrain.distill.curate;

import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How often each answer occurs in a group of answers.
 *
 * @param total     number of answers in the group
 * @param distinct  number of different answers
 * @param commonest the answers with the highest counts, at most {@link #LISTED}, in descending order of counts; answers
 *                  with equal counts are in the order in which they first occur. An answer of more than
 *                  {@link #LONGEST} characters is shortened
 */
public record Distribution(int total, int distinct, List<Ballot.Votes> commonest) {
    private static final int LISTED = 10;
    private static final int LONGEST = 60;

    public static Distribution of(Collection<String> answers) {
        Map<String, Integer> counts = new LinkedHashMap<>();
        answers.forEach(answer -> counts.merge(answer, 1, Integer::sum));
        return new Distribution(answers.size(), counts.size(), counts.entrySet().stream()
                .map(entry -> new Ballot.Votes(shortened(entry.getKey()), entry.getValue()))
                .sorted(Comparator.comparingInt(Ballot.Votes::votes).reversed()).limit(LISTED).toList());
    }

    /** The share of the commonest answer, 0 to 1; 0 if there are no answers. */
    public double largest() {
        return total == 0 ? 0 : (double) commonest.getFirst().votes() / total;
    }

    private static String shortened(String answer) {
        return answer.length() <= LONGEST ? answer : answer.substring(0, LONGEST - 1) + "\u2026";
    }
}
