package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The task of judging which of two responses to a question is better (MT-bench, arXiv:2306.05685). The verdict is
 * {@code [[A]]}, {@code [[B]]}, or {@code [[C]]} for a tie. The data is MT-bench's judgments with its questions and
 * answers, an export of OASST2, or rows with the fields response-a and response-b.
 */
public record Pairwise() implements Task {
    static final String RESPONSE_A = "response-a";
    static final String RESPONSE_B = "response-b";
    private static final Pattern VERDICT = Pattern.compile("\\[\\[([ABC])]]");
    private static final Pattern ALONE = Pattern.compile("(?i)^\\W*([ABC])\\W*$");
    private static final Map<String, String> SWAPPED = Map.of("A", "B", "B", "A", "C", "C");

    @Override
    public String name() {
        return "pairwise";
    }

    @Override
    public List<String> questionFields() {
        return List.of("question");
    }

    @Override
    public List<String> answerFields() {
        return List.of("winner", "answer");
    }

    @Override
    public List<String> fields() {
        return List.of(RESPONSE_A, RESPONSE_B);
    }

    @Override
    public String answerShape() {
        return "A, B or C for a tie";
    }

    @Override
    public Optional<List<Example>> whole(Path data) {
        return MtBench.isJudgments(data) ? Optional.of(MtBench.read(data)) : Oasst.isExport(data)
                ? Optional.of(Oasst.read(data)) : Optional.empty();
    }

    /**
     * Makes a new question: which of two responses to {@code question} is better? The new question has the context of
     * {@code question}.
     *
     * @param id id of the new question
     */
    public static Example pair(String id, Example question, String a, String b) {
        return new Example(id, question.question(), null, Map.of(RESPONSE_A, a, RESPONSE_B, b), null, List.of(),
                Map.of(), null, null, null, question.context());
    }

    /**
     * Finds the last verdict in double brackets. If there is none, a text that consists only of a verdict letter and
     * punctuation is accepted too.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        return VERDICT.matcher(text).results().map(found -> found.group(1)).reduce((a, b) -> b)
                .or(() -> ALONE.matcher(text.strip()).results().map(found -> found.group(1)).findFirst())
                .map(letter -> "[[" + key(letter) + "]]");
    }

    @Override
    public String rule() {
        return "The last [[A]], [[B]] or [[C]] in the text, or a text that is only one of these letters; C is a tie.";
    }

    @Override
    public String key(String answer) {
        return answer.replaceAll("[^A-Ca-c]", "").toUpperCase(Locale.ROOT);
    }

    /** Returns the example in the given order and, if {@code most} is at least 2, with swapped responses. */
    @Override
    public List<Example> orders(Example example, int most) {
        if (most < 2) {
            return List.of(example);
        }
        Map<String, String> fields = new LinkedHashMap<>(example.fields());
        fields.put(RESPONSE_A, example.fields().get(RESPONSE_B));
        fields.put(RESPONSE_B, example.fields().get(RESPONSE_A));
        return List.of(example, example.reordered(1, example.question(), fields, SWAPPED));
    }

    @Override
    public int usualTestOrders() {
        return 2;
    }

    /**
     * The verdict with the most votes. If several verdicts have the most votes, the result is a tie, as in MT-bench. If
     * there are no votes, the result is null.
     */
    static String majority(List<String> votes) {
        Map<String, Integer> counts = new LinkedHashMap<>();
        votes.forEach(vote -> counts.merge(vote, 1, Integer::sum));
        int most = counts.values().stream().mapToInt(Integer::intValue).max().orElse(0);
        List<String> first = new ArrayList<>();
        counts.forEach((vote, count) -> {
            if (count == most) {
                first.add(vote);
            }
        });
        return votes.isEmpty() ? null : first.size() == 1 ? first.getFirst() : "C";
    }
}
