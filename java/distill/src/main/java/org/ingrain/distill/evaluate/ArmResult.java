package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * A row of the table.
 *
 * @param questions  asked, each order of a question counted
 * @param accuracy   share of right answers, 0 to 1
 * @param low        lower end of its 95 % interval
 * @param high       upper end
 * @param tokens     generated for each question, on average
 * @param unanswered questions to which no answer was found in the text; they count as wrong
 * @param judging    where the data have votes, or questions were asked in several orders; else null
 * @param categories by name, in the order in which they first come; empty where questions have none
 * @param votes      majorities of the first k answers, by ascending k, the last of them all answers as above; empty where none is asked for
 */
public record ArmResult(String name, String title, int questions, int right, double accuracy, double low, double high, double tokens,
                        int unanswered, Judging judging, Map<String, Category> categories,
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
     * @param agreement     share of votes that the verdict agrees with, on average over questions and orders; null without votes
     * @param bothOrders    the same of the verdict on which all orders agree, a tie where they do not; null without votes or orders
     * @param inconsistent  share of questions to which another order brings another verdict; null where one order was asked
     */
    public record Judging(Double agreement, Double bothOrders, Double inconsistent) {
    }

    /** The questions of one category. */
    public record Category(int questions, int right, double accuracy, double low, double high) {
        static Category of(int right, int questions) {
            Wilson interval = Wilson.of(right, questions);
            return new Category(questions, right, (double) right / questions, interval.low(), interval.high());
        }
    }

    /** Of an arm's scores, the orders of a question one after another. */
    static ArmResult of(String name, String title, List<Score> scores) {
        int n = scores.size();
        Category all = Category.of(right(scores), n);
        int unanswered = (int) scores.stream().filter(score -> score.answer() == null).count();
        double tokens = scores.stream().mapToLong(Score::tokens).sum() / (double) n;
        Map<String, List<Score>> byCategory = new LinkedHashMap<>();
        scores.stream().filter(score -> score.category() != null)
                .forEach(score -> byCategory.computeIfAbsent(score.category(), category -> new ArrayList<>()).add(score));
        Map<String, Category> categories = new LinkedHashMap<>();
        byCategory.forEach((category, own) -> categories.put(category, Category.of(right(own), own.size())));
        return new ArmResult(name, title, n, all.right(), all.accuracy(), all.low(), all.high(), tokens, unanswered, judging(scores), categories,
                votes(scores));
    }

    private static List<Vote> votes(List<Score> scores) {
        List<Vote> votes = new ArrayList<>();
        for (int i = 0; i < scores.getFirst().votes().size(); i++) {
            int at = i;
            Category all = Category.of((int) scores.stream().filter(score -> score.votes().get(at).right()).count(), scores.size());
            votes.add(new Vote(scores.getFirst().votes().get(i).k(), all.right(), all.accuracy(), all.low(), all.high()));
        }
        return votes;
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

    private static int right(List<Score> scores) {
        return (int) scores.stream().filter(Score::right).count();
    }

    private static Judging judging(List<Score> scores) {
        Map<String, List<Score>> groups = new LinkedHashMap<>();
        scores.forEach(score -> groups.computeIfAbsent(score.group(), id -> new ArrayList<>()).add(score));
        boolean ordered = groups.size() < scores.size();
        boolean voted = scores.stream().anyMatch(score -> !score.references().isEmpty());
        if (!ordered && !voted) {
            return null;
        }
        OptionalDouble agreement = scores.stream().filter(score -> !score.references().isEmpty())
                .mapToDouble(score -> agreement(score.verdict(), score.references())).average();
        OptionalDouble both = groups.values().stream().filter(orders -> !orders.getFirst().references().isEmpty())
                .mapToDouble(orders -> agreement(common(orders), orders.getFirst().references())).average();
        long inconsistent = groups.values().stream().filter(orders -> orders.stream().map(Score::verdict).distinct().count() > 1).count();
        return new Judging(voted ? agreement.getAsDouble() : null, ordered && voted ? both.getAsDouble() : null,
                ordered ? (double) inconsistent / groups.size() : null);
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
