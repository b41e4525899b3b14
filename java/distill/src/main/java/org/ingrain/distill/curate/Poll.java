package org.ingrain.distill.curate;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/**
 * Counts the votes for the answers to one example in one presentation order. Counting takes place during sampling, so
 * that sampling can stop early.
 *
 * <p>Answers are counted in ascending order of their indices, not in the order in which they finish. Counting stops at
 * the first answer that decides the verdict, so the recorded answers do not depend on timing. The poll requests only
 * the minimum number of answers that could decide the verdict. A presentation order disagrees if it has no winner, or
 * if its winner is not the winner of the given order. If one presentation order disagrees, the verdict is decided, and
 * no answers are requested in later presentation orders.
 *
 * <p>If each step of the method has its own vote ({@code perStage}), each text of a step has a poll of all answers that
 * are based on this text. The winner of that poll is the vote of the text in the poll of its step.
 */
final class Poll implements Stopping.Count {
    private final Task task;
    private final Method method;
    private final Example example;
    private final Stage root;
    /** The polls of all presentation orders of the question, the given order first. */
    private final List<Poll> orders;

    private Poll(Task task, Method method, Example example, Stage root, List<Poll> orders) {
        this.task = task;
        this.method = method;
        this.example = example;
        this.root = root;
        this.orders = orders;
    }

    /** A stopping rule that stops sampling a question as soon as its verdict is decided. */
    static Stopping stopping(CurationConfig config, Task task, Method method) {
        return (asked, plan) -> {
            List<Poll> orders = new ArrayList<>();
            asked.forEach(
                    example ->
                    orders.add(new Poll(task, method, example, new Stage(config, stages(config, plan), 0), orders)));
            return orders;
        };
    }

    /** Number of voters in one poll, for each stage. The outermost stage, which is the first step, comes first. */
    static List<Integer> stages(CurationConfig config, Plan plan) {
        return config.perStage() ? plan.steps().subList(0, plan.depth()).stream().map(Plan.PlannedStep::samples)
                .toList()
                : List.of(plan.leaves());
    }

    @Override
    public void add(int number, Answers.Chain answer) {
        String text = method.lastWord(answer);
        root.add(number, method.extract(task, example, text).map(task::key).map(example::canonical).orElse(null));
    }

    @Override
    public BitSet open() {
        BitSet open = new BitSet();
        if (!needless()) {
            root.open(open, 0);
        }
        return open;
    }

    @Override
    public boolean settled() {
        return root.settled() || needless();
    }

    @Override
    public BitSet recorded() {
        BitSet recorded = new BitSet();
        if (!needless()) {
            root.recorded(recorded, 0);
        }
        return recorded;
    }

    /**
     * Whether an earlier presentation order disagrees, so that this presentation order cannot change the verdict. The
     * result can change from false to true until all polls of the question are settled. The final result depends only
     * on the answers, not on the order in which they finished.
     */
    private boolean needless() {
        return orders.subList(0, orders.indexOf(this)).stream().anyMatch(Poll::disagrees);
    }

    /** Whether this poll is settled and has no winner, or has a winner that is not the winner of the given order. */
    private boolean disagrees() {
        Stage given = orders.getFirst().root;
        return root.settled() && (root.winner() == null || given.settled() && !root.winner().equals(given.winner()));
    }

    /** The vote of one stage. Each voter is an answer, or the winner of an inner stage. */
    static final class Stage {
        private final Tally tally;
        private final int voters;
        private final int each;
        private final List<Stage> inner = new ArrayList<>();
        private final String[] answers;
        private final BitSet known = new BitSet();
        private int counted;

        Stage(CurationConfig config, List<Integer> sizes, int depth) {
            voters = sizes.get(depth);
            each = sizes.subList(depth + 1, sizes.size()).stream().reduce(1, Math::multiplyExact);
            answers = new String[voters];
            // `minVotes` applies only to the outermost stage; `minFraction` applies to every stage.
            tally = new Tally(config.rule(), voters, depth == 0 ? config.minVotes() : 0, config.minFraction());
            for (int i = 0; depth + 1 < sizes.size() && i < voters; i++) {
                inner.add(new Stage(config, sizes, depth + 1));
            }
        }

        /**
         * Adds an answer. Then counts the known answers in ascending order of their indices, until the verdict is
         * decided or the answer with the next index is still missing.
         *
         * @param number index of the answer within this stage, from 0
         * @param answer key of the answer; null if the sample has no answer
         */
        void add(int number, String answer) {
            int voter = number / each;
            if (inner.isEmpty()) {
                known.set(voter);
                answers[voter] = answer;
            } else {
                Stage stage = inner.get(voter);
                stage.add(number % each, answer);
                if (stage.settled()) {
                    known.set(voter);
                    answers[voter] = stage.winner();
                }
            }
            while (!settled() && known.get(counted)) {
                tally.add(answers[counted++]);
            }
        }

        /**
         * Also counts the answers that were drawn after the deciding answer. These answers do not change the verdict.
         */
        void countTheRest() {
            while (known.get(counted)) {
                tally.add(answers[counted++]);
            }
        }

        boolean settled() {
            return tally.wanting() == 0;
        }

        Tally tally() {
            return tally;
        }

        String winner() {
            return tally.winner();
        }

        void open(BitSet open, int from) {
            int until = counted + tally.wanting();
            for (int voter = 0; voter < until; voter++) {
                if (inner.isEmpty()) {
                    open.set(from + voter);
                } else {
                    inner.get(voter).open(open, from + voter * each);
                }
            }
        }

        void recorded(BitSet recorded, int from) {
            for (int voter = 0; voter < counted; voter++) {
                if (inner.isEmpty()) {
                    recorded.set(from + voter);
                } else {
                    inner.get(voter).recorded(recorded, from + voter * each);
                }
            }
        }
    }
}
