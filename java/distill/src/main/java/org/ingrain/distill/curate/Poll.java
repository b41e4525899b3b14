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
 * The vote of one order of an example as its answers come in. Answers are counted in their order, whatever order they
 * end in, and counting stops at the first one at which the verdict stands: so what is recorded depends on the answers
 * alone. Only as many answers are worked on as could settle the matter at the soonest. Where a question is asked in
 * several orders, those behind the first that disagrees count for nothing.
 *
 * <p>With a vote per stage, the answers below one text of the first step vote among themselves, and their verdicts are
 * the votes of the step before.
 */
final class Poll implements Stopping.Count {
    private final Task task;
    private final Method method;
    private final Example example;
    private final Stage root;
    /** Those of all orders of the question. */
    private final List<Poll> orders;

    private Poll(Task task, Method method, Example example, Stage root, List<Poll> orders) {
        this.task = task;
        this.method = method;
        this.example = example;
        this.root = root;
        this.orders = orders;
    }

    /** Stops each question as early as its verdict allows. */
    static Stopping stopping(CurationConfig config, Task task, Method method) {
        return (asked, plan) -> {
            List<Poll> orders = new ArrayList<>();
            asked.forEach(
                    example ->
                    orders.add(new Poll(task, method, example, new Stage(config, stages(config, plan), 0), orders)));
            return orders;
        };
    }

    /** Voters at each stage, from the outermost. */
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
     * Whether an earlier order disagrees, so that this one changes nothing; once all are settled, a matter of the
     * answers alone.
     */
    private boolean needless() {
        return orders.subList(0, orders.indexOf(this)).stream().anyMatch(Poll::disagrees);
    }

    /** Whether this order has no winner, or another one than the given order. */
    private boolean disagrees() {
        Stage given = orders.getFirst().root;
        return root.settled() && (root.winner() == null || given.settled() && !root.winner().equals(given.winner()));
    }

    /** Voters of one stage: single answers, or stages of their own. */
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
            // A number of votes is meant for the outermost stage; a share is the same at each.
            tally = new Tally(config.rule(), voters, depth == 0 ? config.minVotes() : 0, config.minFraction());
            for (int i = 0; depth + 1 < sizes.size() && i < voters; i++) {
                inner.add(new Stage(config, sizes, depth + 1));
            }
        }

        /** Takes an answer, numbered within this stage; null if it is none. */
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

        /** Counts those behind the deciding voter too, where they were drawn; the verdict stands. */
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
