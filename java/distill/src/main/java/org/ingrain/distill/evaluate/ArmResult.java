package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.distill.curate.Ballot;

/**
 * A row of the table. Questions are counted once, in however many orders they were asked; of a question that was asked
 * in several, each order has an equal part in accuracy and tokens.
 *
 * @param questions  asked
 * @param right      right answers, in all orders
 * @param accuracy   share of right answers, 0 to 1, on average over the questions
 * @param low        lower end of the 95 % interval of accuracy; the orders of a question count as one question
 * @param high       upper end
 * @param tokens     generated for each question in one order, on average over the questions
 * @param unanswered answers that were not found in the text, in all orders; they count as wrong
 * @param tooLong    of these, those that were not asked for, as the prompt did not fit into the model's context
 * @param judging    where the data have votes, or questions were asked in several orders; else null
 * @param categories by name, in the order in which they first come, a wider one before its parts; empty where questions
 *                   have none
 * @param votes      majorities of the first k answers, by ascending k, the last of them all answers as above; empty
 *                   where none is asked for
 */
public record ArmResult(Arm.Role role, String name, String title, int questions, int right, double accuracy, double low,
        double high, double tokens, int unanswered, @JsonInclude(JsonInclude.Include.NON_DEFAULT) int tooLong,
        Judging judging, Map<String, Category> categories,
                        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Vote> votes) {
    private static final String FIRST = "k = ";

    public ArmResult {
        votes = votes == null ? List.of() : votes;
    }

    /**
     * The majority of the first answers to each question.
     *
     * @param k answers that vote
     */
    public record Vote(int k, int right, double accuracy, double low, double high) {
    }

    /**
     * How well an arm judges.
     *
     * @param agreement     share of votes that the verdict agrees with, on average over questions and orders; null
     *                      without votes
     * @param bothOrders    the same of the verdict on which all orders agree, a tie where they do not; null without
     *                      votes or orders
     * @param inconsistent  of the questions that were asked in several orders, the share to which another order brings
     *                      another verdict; null where there are none
     * @param answers       that were asked for, each order of a question counted; null where each was asked in one
     *                      order
     */
    public record Judging(Double agreement, Double bothOrders, Double inconsistent, Integer answers) {
    }

    /** The questions of one category; its fields as those of the whole. */
    public record Category(int questions, int right, double accuracy, double low, double high) {
        /** @param right whether an answer counts as right */
        static Category of(List<List<Score>> questions, Predicate<Score> right) {
            int n = questions.size();
            List<Long> counts = questions.stream().map(orders -> orders.stream().filter(right).count()).toList();
            double shares = IntStream.range(0, n).mapToDouble(i -> (double) counts.get(i) / questions.get(i).size())
                    .sum();
            Wilson interval = Wilson.of(shares, n);
            return new Category(n, counts.stream().mapToInt(Long::intValue).sum(), shares / n, interval.low(),
                    interval.high());
        }
    }

    /**
     * Of an arm's scores, the orders of a question one after another.
     *
     * @param wider the category that a category is part of, where there is one
     */
    static ArmResult of(Arm arm, List<Score> scores, Function<String, Optional<String>> wider) {
        Map<String, List<Score>> byQuestion = new LinkedHashMap<>();
        scores.forEach(score -> byQuestion.computeIfAbsent(score.asked(), id -> new ArrayList<>()).add(score));
        List<List<Score>> questions = List.copyOf(byQuestion.values());
        Category all = Category.of(questions, Score::right);
        int unanswered = (int) scores.stream().filter(score -> score.answer() == null).count();
        int tooLong = (int) scores.stream().filter(score -> Ballot.unasked(score.answers())).count();
        double tokens = questions.stream().mapToDouble(
                orders -> orders.stream().mapToLong(Score::tokens).sum() / (double) orders.size()).sum()
                / questions.size();
        Map<String, List<List<Score>>> byCategory = new LinkedHashMap<>();
        questions.stream().filter(orders -> orders.getFirst().category() != null).forEach(orders -> {
            String own = orders.getFirst().category();
            Stream.concat(wider.apply(own).stream(), Stream.of(own))
                    .forEach(category -> byCategory.computeIfAbsent(category, none -> new ArrayList<>()).add(orders));
        });
        Map<String, Category> categories = new LinkedHashMap<>();
        byCategory.forEach((category, own) -> categories.put(category, Category.of(own, Score::right)));
        return new ArmResult(arm.role(), arm.name(), arm.title(), all.questions(), all.right(), all.accuracy(),
                all.low(), all.high(), tokens, unanswered, tooLong, judging(scores, questions), categories,
                votes(questions));
    }

    private static List<Vote> votes(List<List<Score>> questions) {
        List<Vote> votes = new ArrayList<>();
        List<Score.Vote> asked = questions.getFirst().getFirst().votes();
        for (int i = 0; i < asked.size(); i++) {
            int at = i;
            Category all = Category.of(questions, score -> score.votes().get(at).right());
            votes.add(new Vote(asked.get(i).k(), all.right(), all.accuracy(), all.low(), all.high()));
        }
        return votes;
    }

    /** The first result of a role, in the order of the table; null if there is none. */
    public static ArmResult first(List<ArmResult> arms, Arm.Role role) {
        return arms.stream().filter(arm -> arm.role() == role).findFirst().orElse(null);
    }

    /** Every other share that the data allow, 0 to 1, by the title of its column: majorities, judging, categories. */
    public Map<String, Double> shares() {
        Map<String, Double> shares = new LinkedHashMap<>();
        votes.forEach(vote -> shares.put(FIRST + vote.k(), vote.accuracy()));
        if (judging != null) {
            shares.put("agreement", judging.agreement());
            shares.put("of both orders", judging.bothOrders());
            shares.put("inconsistent", judging.inconsistent());
        }
        categories.forEach((category, own) -> shares.put(category, own.accuracy()));
        shares.values().removeIf(Objects::isNull);
        return shares;
    }

    /** Of some shares' titles, that of the majority of the most answers; empty where there is none. */
    public static Optional<String> largest(List<String> titles) {
        return titles.stream().filter(title -> title.startsWith(FIRST)).reduce((fewer, more) -> more);
    }

    /** Answers that were asked for: one of each question and order. */
    public int answers() {
        return judging == null || judging.answers() == null ? questions : judging.answers();
    }

    private static Judging judging(List<Score> scores, List<List<Score>> questions) {
        List<List<Score>> several = questions.stream().filter(orders -> orders.size() > 1).toList();
        boolean ordered = !several.isEmpty();
        boolean voted = scores.stream().anyMatch(score -> !score.references().isEmpty());
        if (!ordered && !voted) {
            return null;
        }
        OptionalDouble agreement = scores.stream().filter(score -> !score.references().isEmpty())
                .mapToDouble(score -> agreement(score.verdict(), score.references())).average();
        OptionalDouble both = questions.stream().filter(orders -> !orders.getFirst().references().isEmpty())
                .mapToDouble(orders -> agreement(common(orders), orders.getFirst().references())).average();
        long inconsistent = several.stream().filter(orders -> orders.stream().map(Score::verdict).distinct()
                .count() > 1).count();
        return new Judging(voted ? agreement.getAsDouble() : null, ordered && voted ? both.getAsDouble() : null,
                ordered ? (double) inconsistent / several.size() : null, ordered ? scores.size() : null);
    }

    /** Share of the votes that a verdict agrees with. */
    private static double agreement(String verdict, List<String> votes) {
        return votes.stream().filter(vote -> vote.equals(verdict)).count() / (double) votes.size();
    }

    /** The verdict of all orders; C, a tie, where they differ. */
    private static String common(List<Score> orders) {
        String first = orders.getFirst().verdict();
        return orders.stream().allMatch(score -> Objects.equals(first, score.verdict())) ? first : "C";
    }
}
