package org.ingrain.distill.sample;

import java.util.BitSet;
import java.util.List;
import org.ingrain.distill.task.Example;

/**
 * A rule that decides which answers of an example are drawn. The decision to stop depends only on the answers, never on
 * the order in which they finish.
 */
public interface Stopping {
    /** The rule that never stops early, so that all answers are drawn. */
    Stopping NEVER = (orders, plan) -> orders.stream().map(order -> new All(plan.leaves())).toList();

    /**
     * Starts the counts of one question.
     *
     * @param orders the question in all its presentation orders, the given order first
     * @return one count for each presentation order; each count may also depend on answers in other presentation orders
     */
    List<? extends Count> begin(List<Example> orders, Plan plan);

    /** Counts the answers to a question in one presentation order. Answers are numbered from 0 in depth-first order. */
    interface Count {
        /** Adds an answer. Each answer must be added once, in any order. */
        void add(int number, Answers.Chain answer);

        /**
         * The indices of the answers that may be drawn now. The set depends on the answers that were added. Until the
         * count is settled, adding an answer can enlarge the set.
         */
        BitSet open();

        /** Whether no further answer can change the verdict. */
        boolean settled();

        /**
         * The indices of the answers that the verdict is based on; the last of them decided it. The set is empty if the
         * verdict does not need this presentation order. Call this method only when the counts of all presentation
         * orders are settled.
         */
        BitSet recorded();
    }

    /** A count that requires all answers. */
    final class All implements Count {
        private final int answers;
        private int added;

        All(int answers) {
            this.answers = answers;
        }

        @Override
        public void add(int number, Answers.Chain answer) {
            added++;
        }

        @Override
        public BitSet open() {
            BitSet all = new BitSet();
            all.set(0, answers);
            return all;
        }

        @Override
        public boolean settled() {
            return added == answers;
        }

        @Override
        public BitSet recorded() {
            return open();
        }
    }
}
