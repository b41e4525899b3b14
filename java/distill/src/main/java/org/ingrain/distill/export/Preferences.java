package org.ingrain.distill.export;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.files.JsonLines;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;

/**
 * Pairs of a kept and a rejected answer, in TRL's conversational format for DPO. A question gives one pair if votes
 * selected its label and some samples gave other answers. The chosen text is the training target. The rejected text
 * comes from the answer with the most votes among the other answers; if several have equally many, from the first of
 * them. Like the target, the rejected text is a bare answer or a whole response. Both texts answer the question in its
 * given presentation order.
 */
record Preferences(Ledger ledger, CurationConfig config) {
    /** A line of the exported file. */
    record Pair(List<Message> prompt, List<Message> chosen, List<Message> rejected) {
    }

    /**
     * Makes the pairs for the training rows or for the validation rows.
     *
     * @param file       file of the rows, for error messages
     * @param validation whether {@code rows} are the validation rows
     */
    List<Pair> of(Path file, List<TrainingRow> rows, boolean validation) {
        Set<String> held = ledger.validationIds(config);
        Deque<TrainingRow> left = new ArrayDeque<>(rows);
        List<Pair> pairs = new ArrayList<>();
        JsonLines.forEach(ledger.file(), Entry.class, entry -> {
            if (held.contains(entry.id()) == validation) {
                for (Entry.TargetText target : entry.targets()) {
                    TrainingRow row = left.poll();
                    if (row == null || !row.completion().equals(target.text())) {
                        throw new InputException(file + ": the next row does not belong to " + entry.id()
                                + ", expected the rows of " + ledger.file());
                    }
                    if (target.order() == 0) {
                        rejected(entry).ifPresent(text -> pairs.add(new Pair(row.prompt(), row.answer(),
                                List.of(Message.assistant(text)))));
                    }
                }
            }
        });
        return pairs;
    }

    /** The rejected text: the first text in the given order whose answer has the most votes after the label. */
    private Optional<String> rejected(Entry entry) {
        if (!entry.reason().isVote()) {
            return Optional.empty();
        }
        List<Ballot.Answer> given = entry.orders().getFirst().answers();
        return entry.votes().stream().map(Ballot.Votes::answer).filter(answer -> !answer.equals(entry.label()))
                .flatMap(loser -> given.stream().filter(answer -> loser.equals(answer.answer())).limit(1))
                .map(answer -> config.target() == Target.ANSWER ? answer.answer() : answer.text().strip()).findFirst();
    }
}
