package org.ingrain.distill.curate;

import java.util.List;
import java.util.Objects;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/**
 * Judges an example by how its samples agree (self-consistency of outputs, arXiv:2407.06023). Gold answers are not looked at but for
 * the record.
 *
 * @param method where its answers stand
 */
public record Curation(CurationConfig config, Task task, Method method) {
    /** A way of reading an example's samples that ended in this decision. */
    private record Decision(Entry.Reason reason, String detail, String label, List<String> targets) {
        static Decision discard(Entry.Reason reason, String detail) {
            return new Decision(reason, detail, null, List.of());
        }
    }

    /** The ledger's entry for an example. */
    public Entry judge(Example example, Answers samples) {
        Ballot ballot = Ballot.of(example, samples, task, method);
        Decision decision = switch (config.rule()) {
            case MORE_THAN_HALF, PLURALITY -> byVotes(ballot);
            case FIRST -> unfiltered(ballot.answers().subList(0, 1));
            case ALL -> unfiltered(ballot.answers());
        };
        Boolean right = decision.label() == null || example.gold() == null ? null : task.isRight(example, decision.label());
        Entry.Verdict verdict = decision.targets().isEmpty() ? Entry.Verdict.DISCARDED : Entry.Verdict.KEPT;
        return new Entry(example.id(), example.question(), example.gold(), verdict, decision.reason(), decision.detail(),
                decision.label(), right, ballot.margin(), ballot.votes(), decision.targets(), ballot.answers());
    }

    private Decision byVotes(Ballot ballot) {
        List<Ballot.Answer> answers = ballot.answers();
        List<Ballot.Votes> votes = ballot.votes();
        if (votes.isEmpty()) {
            return Decision.discard(Entry.Reason.NO_ANSWER, "none of " + answers.size() + " samples gave an answer");
        }
        Ballot.Votes most = votes.getFirst();
        String count = most.votes() + " of " + answers.size() + " votes for " + most.answer();
        if (votes.size() > 1 && votes.get(1).votes() == most.votes()) {
            return Decision.discard(Entry.Reason.TIE, count + ", as many for " + votes.get(1).answer());
        }
        if (config.rule() == Rule.MORE_THAN_HALF && 2 * most.votes() <= answers.size()) {
            return Decision.discard(Entry.Reason.TOO_FEW_VOTES, count + ", more than half are asked for");
        }
        if (most.votes() < config.minVotes()) {
            return Decision.discard(Entry.Reason.TOO_FEW_VOTES, count + ", " + config.minVotes() + " are asked for");
        }
        if (most.votes() < config.minFraction() * answers.size()) {
            return Decision.discard(Entry.Reason.TOO_FEW_VOTES, count + ", a share of " + config.minFraction() + " is asked for");
        }
        Ballot.Answer first = answers.stream()
                .filter(answer -> answer.answer() != null && task.key(answer.answer()).equals(task.key(most.answer())))
                .findFirst().orElseThrow();
        return new Decision(Entry.Reason.MAJORITY, count, most.answer(), List.of(target(first)));
    }

    private Decision unfiltered(List<Ballot.Answer> taken) {
        List<Ballot.Answer> usable = taken.stream().filter(answer -> !target(answer).isBlank()).toList();
        if (usable.isEmpty()) {
            return Decision.discard(Entry.Reason.NO_ANSWER, "nothing to teach in " + (taken.size() == 1 ? "the first sample"
                    : "any of " + taken.size() + " samples"));
        }
        String label = usable.stream().map(Ballot.Answer::answer).filter(Objects::nonNull).findFirst().orElse(null);
        return new Decision(Entry.Reason.UNFILTERED, "not filtered, " + usable.size() + " of " + taken.size() + " samples", label,
                usable.stream().map(this::target).toList());
    }

    private String target(Ballot.Answer answer) {
        String text = config.target() == Target.ANSWER ? answer.answer() : answer.text().strip();
        return text == null ? "" : text;
    }
}
