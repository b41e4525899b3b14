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
 * Judges which of two responses to a question is better: {@code [[A]]}, {@code [[B]]}, or {@code [[C]]} for a tie
 * (MT-bench, arXiv:2306.05685). The data is MT-bench's judgments with its questions and answers, OASST2's export, or
 * rows with response-a and response-b.
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

    /** The last verdict in double brackets; else the letter that is the whole text. */
    @Override
    public Optional<String> extract(Example example, String text) {
        return VERDICT.matcher(text).results().map(found -> found.group(1)).reduce((a, b) -> b)
                .or(() -> ALONE.matcher(text.strip()).results().map(found -> found.group(1)).findFirst())
                .map(letter -> "[[" + key(letter) + "]]");
    }

    @Override
    public String key(String answer) {
        return answer.replaceAll("[^A-Ca-c]", "").toUpperCase(Locale.ROOT);
    }

    /** As given, then with the two responses swapped. */
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

    /** The verdict with the most votes; a tie if no verdict has more than all others, as in MT-bench. */
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
