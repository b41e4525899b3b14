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
import org.ingrain.distill.curate.Distribution;

/**
 * The result of an arm, which is one row of the result table. Accuracy and tokens are means over the questions. If a
 * question was asked in several presentation orders, the value of the question is the mean over these orders.
 *
 * @param questions  number of questions
 * @param right      number of right answers, counted over all presentation orders
 * @param accuracy   share of right answers, 0 to 1
 * @param low        lower end of the 95 % interval of the accuracy; the sample size is the number of questions
 * @param high       upper end of that interval
 * @param tokens     mean number of generated tokens for one question in one presentation order
 * @param unanswered number of questions to which the arm gave no answer; a question counts once for each presentation
 *                   order without an answer. A missing answer counts as wrong
 * @param tooLong    the part of {@code unanswered} for which nothing was generated, because the prompt is too long for
 *                   the context
 * @param judging    results of the arm as a judge of responses; null if there are no reference votes and each question
 *                   was asked in only one presentation order
 * @param categories results by category, in order of first appearance; a wider category comes before the categories
 *                   that it contains
 * @param votes      results of the majority vote of the first k answers, for each k in {@link EvaluateConfig#votes}, in
 *                   ascending order of k
 * @param sets       results on the questions of each test file, by the file's name, in the order of the files; empty if
 *                   there is at most one test file
 * @param given      how often the arm gave each answer. The answers are keys of the task, converted to the given order.
 *                   A question counts once for each presentation order in which the arm answered it
 * @param commonest  the result of always giving the commonest gold answer to the same questions
 */
public record ArmResult(Arm.Role role, String name, String title, int questions, int right, double accuracy, double low,
        double high, double tokens, int unanswered, @JsonInclude(JsonInclude.Include.NON_DEFAULT) int tooLong,
        Judging judging, Map<String, Category> categories,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Vote> votes,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, ArmResult> sets, Distribution given,
        Commonest commonest) {
    private static final String FIRST = "k = ";

    public ArmResult {
        votes = votes == null ? List.of() : votes;
        sets = sets == null ? Map.of() : sets;
    }

    /**
     * The result of the majority votes of the first k answers.
     *
     * @param k number of answers that are counted as votes
     */
    public record Vote(int k, int right, double accuracy, double low, double high) {
    }

    /**
     * The results of an arm as a judge of responses.
     *
     * @param agreement     share of the reference votes that agree with the verdict, 0 to 1. The value is the mean over
     *                      all questions and presentation orders. Null if there are no reference votes
     * @param bothOrders    share of the reference votes that agree with the common verdict, 0 to 1; the mean over the
     *                      questions. The common verdict is the verdict of all presentation orders, or a tie if their
     *                      verdicts differ. Null if there are no reference votes or if each question was asked in only
     *                      one presentation order
     * @param inconsistent  among the questions asked in several presentation orders, the share whose verdicts differ;
     *                      null if there is no such question
     * @param answers       number of answers, one for each question in each presentation order; null if each question
     *                      was asked in one presentation order
     */
    public record Judging(Double agreement, Double bothOrders, Double inconsistent, Integer answers) {
    }

    /** The result of one category, with fields as in {@link ArmResult}. */
    public record Category(int questions, int right, double accuracy, double low, double high, double tokens) {
        /** @param right the test that decides whether a score counts as right */
        static Category of(List<List<Score>> questions, Predicate<Score> right) {
            int n = questions.size();
            List<Long> counts = questions.stream().map(orders -> orders.stream().filter(right).count()).toList();
            double shares = IntStream.range(0, n).mapToDouble(i -> (double) counts.get(i) / questions.get(i).size())
                    .sum();
            Wilson interval = Wilson.of(shares, n);
            double tokens = questions.stream().mapToDouble(
                    orders -> orders.stream().mapToLong(Score::tokens).sum() / (double) orders.size()).sum() / n;
            return new Category(n, counts.stream().mapToInt(Long::intValue).sum(), shares / n, interval.low(),
                    interval.high(), tokens);
        }
    }

    /**
     * Computes the result of an arm.
     *
     * @param scores scores of all questions; the scores of a question in its presentation orders are adjacent
     * @param commonest returns the result of always giving the commonest gold answer. The argument is the name of a
     * test file, for its questions only, or null, for all questions
     * @param wider  returns the wider category that contains a category, if there is one
     */
    static ArmResult of(Arm arm, List<Score> scores, Function<String, Commonest> commonest,
            Function<String, Optional<String>> wider) {
        Map<String, List<Score>> bySet = new LinkedHashMap<>();
        scores.stream().filter(score -> score.set() != null)
                .forEach(score -> bySet.computeIfAbsent(score.set(), set -> new ArrayList<>()).add(score));
        Map<String, ArmResult> sets = new LinkedHashMap<>();
        bySet.forEach((set, own) -> sets.put(set, of(arm, own, commonest.apply(set), wider, Map.of())));
        return of(arm, scores, commonest.apply(null), wider, sets);
    }

    private static ArmResult of(Arm arm, List<Score> scores, Commonest commonest,
            Function<String, Optional<String>> wider, Map<String, ArmResult> sets) {
        Map<String, List<Score>> byQuestion = new LinkedHashMap<>();
        scores.forEach(score -> byQuestion.computeIfAbsent(score.asked(), id -> new ArrayList<>()).add(score));
        List<List<Score>> questions = List.copyOf(byQuestion.values());
        Category all = Category.of(questions, Score::right);
        int unanswered = (int) scores.stream().filter(score -> score.answer() == null).count();
        int tooLong = (int) scores.stream().filter(score -> Ballot.unasked(score.answers())).count();
        Map<String, List<List<Score>>> byCategory = new LinkedHashMap<>();
        questions.stream().filter(orders -> orders.getFirst().category() != null).forEach(orders -> {
            String own = orders.getFirst().category();
            Stream.concat(wider.apply(own).stream(), Stream.of(own))
                    .forEach(category -> byCategory.computeIfAbsent(category, none -> new ArrayList<>()).add(orders));
        });
        Map<String, Category> categories = new LinkedHashMap<>();
        byCategory.forEach((category, own) -> categories.put(category, Category.of(own, Score::right)));
        return new ArmResult(arm.role(), arm.name(), arm.title(), all.questions(), all.right(), all.accuracy(),
                all.low(), all.high(), all.tokens(), unanswered, tooLong, judging(scores, questions), categories,
                votes(questions), sets, Distribution.of(scores.stream().map(Score::verdict).filter(Objects::nonNull)
                .toList()), commonest);
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

    /** The results of all arms on each test file, by the file's name; empty if there is at most one test file. */
    public static Map<String, List<ArmResult>> bySet(List<ArmResult> arms) {
        Map<String, List<ArmResult>> sets = new LinkedHashMap<>();
        arms.forEach(arm -> arm.sets().forEach((set, own) -> sets.computeIfAbsent(set, none -> new ArrayList<>())
                .add(own)));
        return sets;
    }

    /** The first result in the list with this role; null if there is no such result. */
    public static ArmResult first(List<ArmResult> arms, Arm.Role role) {
        return arms.stream().filter(arm -> arm.role() == role).findFirst().orElse(null);
    }

    /**
     * Returns further results, each a share from 0 to 1, by the title of its table column: accuracies of the majority
     * votes, results as a judge, and accuracies by category. The accuracy of the arm is not included.
     */
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

    /**
     * Returns the title of the majority vote with the largest k. Returns empty if no title is that of a majority vote.
     */
    public static Optional<String> largest(List<String> titles) {
        return titles.stream().filter(title -> title.startsWith(FIRST)).reduce((fewer, more) -> more);
    }

    /** Number of answers: one for each question in each presentation order. */
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

    /** Share of the votes that are equal to the verdict, 0 to 1. */
    private static double agreement(String verdict, List<String> votes) {
        return votes.stream().filter(vote -> vote.equals(verdict)).count() / (double) votes.size();
    }

    /** The common verdict of all presentation orders; C (tie) if their verdicts differ. */
    private static String common(List<Score> orders) {
        String first = orders.getFirst().verdict();
        return orders.stream().allMatch(score -> Objects.equals(first, score.verdict())) ? first : "C";
    }
}
