package org.ingrain.distill.curate;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.UniversalSelfConsistency.Selection;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.verify.Verdicts;

/**
 * Judges an example by the agreement of its samples (arXiv:2407.06023). Samples must agree within each presentation
 * order of the options or responses (self-consistency of outputs) and across presentation orders (self-consistency
 * under input perturbation). Gold answers do not affect the verdict; the ledger only records whether a label is right.
 *
 * @param method the sampled method, which finds the answer in a text
 * @param plan   the sampling plan, which has the number of samples of each step
 * @param verdicts the verdicts of the verifier; rejected answers are not used
 * @param judged   for rule {@code judge}, the model's judgements of pairs of answers, by the pair's id; else empty
 */
public record Curation(CurationConfig config, Task task, Method method, Plan plan, Verdicts verdicts,
        Map<String, Judging.Judgement> judged) {
    /** A curation without verdicts of a verifier and without judgements of the model. {@code with} adds them. */
    public Curation(CurationConfig config, Task task, Method method, Plan plan) {
        this(config, task, method, plan, Verdicts.NONE, Map.of());
    }

    /** A copy of this curation with the verdicts of the verifier. */
    public Curation with(Verdicts newVerdicts) {
        return new Curation(config, task, method, plan, newVerdicts, judged);
    }

    /** A copy of this curation with the judgements of the model. */
    public Curation with(Map<String, Judging.Judgement> newJudged) {
        return new Curation(config, task, method, plan, verdicts, newJudged);
    }

    /** The comparison of answers by the model itself, for rule {@code judge}. */
    public Judging judging() {
        return new Judging(config, task, method);
    }

    /** An example in one presentation order, with its answers. */
    public record Asked(Example example, Answers answers) {
    }

    /**
     * The ballot of one presentation order, with the votes counted by the rule.
     *
     * @param counted the answers that the verdict is based on; without early stopping the ballot may have further
     *                answers
     */
    private record Count(Example example, Ballot ballot, Tally tally, List<Ballot.Answer> counted) {
        boolean unasked() {
            return Ballot.unasked(ballot.answers());
        }

        static int voters(List<Count> counts) {
            return counts.stream().mapToInt(count -> count.tally.voters()).sum();
        }

        /** Number of votes that remained uncounted when the verdict was decided. */
        static int outstanding(List<Count> counts) {
            return counts.stream().mapToInt(count -> count.tally.voters() - count.tally.counted()).sum();
        }
    }

    private record Decision(Entry.Reason reason, String detail, String label, List<Entry.TargetText> targets) {
        static Decision discard(Entry.Reason reason, String detail) {
            return new Decision(reason, detail, null, List.of());
        }

        static Decision tooLong() {
            return discard(Entry.Reason.PROMPT_TOO_LONG, "its prompt does not fit into the model's context");
        }
    }

    /** @throws org.ingrain.tensor.InputException if {@code minVotes} is larger than the number of voters */
    public void check() {
        new Tally(config.rule(), voters(), config.minVotes(), config.minFraction());
    }

    /** Number of votes that full sampling counts in one presentation order. */
    public int voters() {
        return Poll.stages(config, plan).getFirst();
    }

    /** Returns the stopping rule for sampling. If early stopping is off, this rule requires all samples. */
    public Stopping stopping() {
        return config.earlyStop() ? Poll.stopping(config, task, method) : Stopping.NEVER;
    }

    /**
     * Judges an example and returns its entry for the ledger.
     *
     * @param asked     the example with its answers in each presentation order; the given order comes first
     * @param selection the answer that the model itself selected, for rule {@code universal}
     */
    public Entry judge(List<Asked> asked, Selection selection) {
        List<Count> counts = asked.stream().map(this::count).toList();
        Decision decision = counts.getFirst().unasked() ? Decision.tooLong() : switch (config.rule()) {
            case MORE_THAN_HALF, PLURALITY -> byVotes(counts);
            case UNIVERSAL -> bySelection(counts.getFirst(), selection);
            case JUDGE -> judged(counts.getFirst());
            case BEST -> best(counts.getFirst().ballot().answers());
            case FIRST -> unfiltered(counts.getFirst().ballot().answers().subList(0, 1));
            case ALL -> unfiltered(counts.getFirst().ballot().answers());
        };
        Example example = asked.getFirst().example();
        Boolean right = decision.label() == null || example.gold() == null
                ? null : task.isRight(example, decision.label());
        Entry.Verdict verdict = decision.targets().isEmpty() ? Entry.Verdict.DISCARDED : Entry.Verdict.KEPT;
        List<Ballot.Votes> votes = votes(counts);
        int margin = votes.isEmpty() ? 0 : votes.getFirst().votes() - (votes.size() < 2 ? 0 : votes.get(1).votes());
        int tokens = asked.stream().mapToInt(order -> order.answers().tokens()).sum();
        int drawn = counts.stream().mapToInt(count -> count.ballot().answers().size()).sum();
        int outstanding = Count.outstanding(counts);
        return new Entry(example.id(), example.question(), example.gold(), example.category(), verdict,
                decision.reason(), decision.detail(), decision.label(), right, margin,
                Math.max(0, margin - outstanding), outstanding > 0, Count.voters(counts),
                plan.leaves() * asked.size(), drawn, tokens, votes, decision.targets(), counts.stream()
                .map(count -> new Entry.Order(count.example().id(), count.ballot().answers())).toList());
    }

    private Count count(Asked asked) {
        Ballot ballot = Ballot.of(asked.example(), asked.answers(), task, method)
                .verified(asked.example(), task, verdicts);
        Poll.Stage root = new Poll.Stage(config, Poll.stages(config, plan), 0);
        for (Ballot.Answer answer : ballot.answers()) {
            root.add(plan.number(answer.path()), key(asked.example(), answer));
        }
        BitSet recorded = new BitSet();
        root.recorded(recorded, 0);
        root.countTheRest();
        List<Ballot.Answer> counted = ballot.answers().stream()
                .filter(answer -> recorded.get(plan.number(answer.path()))).toList();
        return new Count(asked.example(), ballot, root.tally(), counted);
    }

    private String key(Example example, Ballot.Answer answer) {
        return answer.answer() == null || answer.isRejected() ? null : example.canonical(task.key(answer.answer()));
    }

    /** Votes summed over all presentation orders. */
    private List<Ballot.Votes> votes(List<Count> counts) {
        Map<String, Integer> votes = new LinkedHashMap<>();
        counts.forEach(count -> count.tally().votes().forEach((key, n) -> votes.merge(key, n, Integer::sum)));
        return votes.entrySet().stream()
                .map(entry -> new Ballot.Votes(wording(counts, entry.getKey()), entry.getValue()))
                .sorted(Comparator.comparingInt(Ballot.Votes::votes).reversed()).toList();
    }

    /**
     * Returns the wording of the first counted answer in the given order that has this key. Returns the key itself if
     * there is no such answer.
     */
    private String wording(List<Count> counts, String key) {
        return counts.stream().filter(count -> count.example().isAsGiven())
                .flatMap(count -> count.counted().stream().filter(answer -> key.equals(key(count.example(), answer))))
                .map(Ballot.Answer::answer).findFirst().orElse(key);
    }

    private Decision byVotes(List<Count> counts) {
        Count first = counts.getFirst();
        String winner = first.tally().winner();
        for (Count count : counts) {
            if (count.tally().winner() == null) {
                Decision lost = count.unasked() ? Decision.tooLong() : lost(count.tally(), counts);
                String order = count.example().isAsGiven() ? "" : ", in the order of " + count.example().id();
                return Decision.discard(lost.reason(), lost.detail() + order + early(counts));
            }
            if (!count.tally().winner().equals(winner)) {
                return Decision.discard(Entry.Reason.ORDER, wording(counts, winner) + " as given, "
                        + wording(counts, count.tally().winner()) + " in the order of " + count.example().id()
                        + early(counts));
            }
        }
        String detail = votes(first.tally(), winner, counts)
                + (counts.size() == 1 ? "" : ", the same in " + counts.size() + " orders") + early(counts);
        List<Entry.TargetText> targets = new ArrayList<>();
        for (int order = 0; order < counts.size(); order++) {
            Count count = counts.get(order);
            Ballot.Answer voted = count.counted().stream().filter(answer -> winner.equals(key(count.example(), answer)))
                    .findFirst().orElseThrow();
            targets.add(new Entry.TargetText(order, voted.path(), target(voted)));
        }
        return new Decision(config.rule() == Rule.PLURALITY ? Entry.Reason.PLURALITY : Entry.Reason.MAJORITY, detail,
                wording(counts, winner), targets);
    }

    /**
     * The decision to discard an example because a poll has no winner. Early stopping does not change the reason. If no
     * answer can reach the required number of votes, the reason is "too few votes", even if the leading answers have
     * equally many votes: a tie is certain only when all votes are counted.
     */
    private Decision lost(Tally tally, List<Count> counts) {
        List<Map.Entry<String, Integer>> votes = tally.votes().entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue().reversed()).toList();
        String required = ", " + tally.needed() + " of " + tally.voters() + " are required";
        if (votes.isEmpty()) {
            long rejected = counts.stream().flatMap(count -> count.ballot().answers().stream())
                    .filter(Ballot.Answer::isRejected).count();
            if (rejected > 0) {
                return Decision.discard(Entry.Reason.REJECTED, "all answers rejected by the verifier, " + rejected
                        + " of " + tally.counted() + " samples");
            }
            return Decision.discard(Entry.Reason.TOO_FEW_VOTES, "none of " + tally.counted()
                    + (tally.counted() < tally.voters() ? " drawn" : "") + " votes has an answer" + required);
        }
        int most = votes.getFirst().getValue();
        String count = votes(tally, votes.getFirst().getKey(), counts) + (votes.size() < 2
                || votes.get(1).getValue() < most ? "" : ", equally many for "
                + wording(counts, votes.get(1).getKey()));
        return most < tally.needed() ? Decision.discard(Entry.Reason.TOO_FEW_VOTES, count + required)
                : Decision.discard(Entry.Reason.TIE, count);
    }

    /** States the votes for an answer, such as {@code 5 of 8 votes for yes} or {@code 5 of 5 drawn votes for yes}. */
    private String votes(Tally tally, String key, List<Count> counts) {
        return tally.votes().get(key) + " of " + tally.counted() + (tally.counted() < tally.voters() ? " drawn" : "")
                + " votes for " + wording(counts, key);
    }

    /** States after how many votes the verdict was decided; empty if all votes were counted. */
    private static String early(List<Count> counts) {
        int outstanding = Count.outstanding(counts);
        int voters = Count.voters(counts);
        return outstanding == 0 ? "" : ", decided after " + (voters - outstanding) + " of " + voters;
    }

    private Decision bySelection(Count count, Selection selection) {
        List<Ballot.Answer> answers = count.ballot().answers();
        if (!selection.fits()) {
            return Decision.discard(Entry.Reason.PROMPT_TOO_LONG,
                    "its " + answers.size() + " responses do not fit into the model's context,"
                    + " so the model was not asked to select one");
        }
        int selected = selection.number().orElse(answers.size());
        if (selected >= answers.size()) {
            return Decision.discard(Entry.Reason.NO_SELECTION,
                    "the model selected none of its " + answers.size() + " responses");
        }
        Ballot.Answer answer = answers.get(selected);
        String text = target(answer);
        if (answer.isRejected()) {
            return Decision.discard(Entry.Reason.REJECTED,
                    "the model selected response " + selected + ", which the verifier rejected");
        }
        if (text.isBlank()) {
            return Decision.discard(Entry.Reason.NO_ANSWER,
                    "the model selected response " + selected + ", which has no answer");
        }
        return new Decision(Entry.Reason.SELECTED, "the model selected response " + selected + " of " + answers.size(),
                answer.answer(), List.of(new Entry.TargetText(0, answer.path(), text)));
    }

    private Decision judged(Count count) {
        Judging.Result result = judging().best(count.example(), count.ballot().answers(), judged);
        Ballot.Answer best = result.best();
        return best == null ? Decision.discard(result.reason(), result.detail()) : new Decision(result.reason(),
                result.detail(), best.answer(), List.of(new Entry.TargetText(0, best.path(), target(best))));
    }

    /**
     * Selects the accepted answer with the highest score. If several answers have this score, selects the first of
     * them. A missing score counts as 0.
     */
    private Decision best(List<Ballot.Answer> answers) {
        List<Ballot.Answer> accepted = answers.stream()
                .filter(answer -> Boolean.TRUE.equals(answer.accepted()) && !target(answer).isBlank()).toList();
        if (accepted.isEmpty()) {
            long rejected = answers.stream().filter(Ballot.Answer::isRejected).count();
            return Decision.discard(rejected > 0 ? Entry.Reason.REJECTED : Entry.Reason.NO_ANSWER,
                    "no accepted answer, " + rejected + " of " + answers.size() + " samples rejected by the verifier");
        }
        Ballot.Answer best = accepted.stream().max(Comparator.comparingDouble(Curation::score)
                .thenComparing(accepted::indexOf, Comparator.reverseOrder())).orElseThrow();
        return new Decision(Entry.Reason.VERIFIED, accepted.size() + " of " + answers.size() + " samples accepted"
                + (best.score() == null ? "" : ", best score " + best.score()), best.answer(),
                List.of(new Entry.TargetText(0, best.path(), target(best))));
    }

    private static double score(Ballot.Answer answer) {
        return answer.score() == null ? 0 : answer.score();
    }

    private Decision unfiltered(List<Ballot.Answer> taken) {
        List<Ballot.Answer> usable = taken.stream().filter(answer -> !answer.isRejected() && !target(answer).isBlank())
                .toList();
        if (usable.isEmpty()) {
            return Decision.discard(Entry.Reason.NO_ANSWER,
                    "no training target in " + (taken.size() == 1 ? "the first sample"
                    : "any of " + taken.size() + " samples"));
        }
        String label = usable.stream().map(Ballot.Answer::answer).filter(Objects::nonNull).findFirst().orElse(null);
        return new Decision(Entry.Reason.UNFILTERED, "not filtered, " + usable.size() + " of " + taken.size()
                + " samples", label, usable.stream()
                .map(answer -> new Entry.TargetText(0, answer.path(), target(answer))).toList());
    }

    private String target(Ballot.Answer answer) {
        return config.target().text(answer, method);
    }
}
