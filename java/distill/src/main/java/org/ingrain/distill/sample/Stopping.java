package org.ingrain.distill.sample;

import java.util.BitSet;
import java.util.List;
import org.ingrain.distill.task.Example;

/**
 * Decides which answers of an example are drawn. The decision to stop depends only on the answers, never on the order
 * in which they finish.
 */
public interface Stopping {
    /** Draws all answers. */
    Stopping NEVER = (orders, plan) -> orders.stream().map(order -> new All(plan.leaves())).toList();

    /**
     * Starts one question.
     *
     * @param orders the question in all its orders, the given order first
     * @return one count per order; a count may depend on the other orders
     */
    List<? extends Count> begin(List<Example> orders, Plan plan);

    /** Counts the answers of one order of a question. Answers are numbered from 0, depth first. */
    interface Count {
        /** Adds an answer. Answers come in any order, each once. */
        void add(int number, Answers.Chain answer);

        /** The answers that may be drawn now. The set grows with the added answers until the order is settled. */
        BitSet open();

        /** Whether no further answer can change the verdict. */
        boolean settled();

        /**
         * The answers that the verdict is based on: those up to the deciding one, or none if this order is not needed.
         * Call it when all orders are settled.
         */
        BitSet recorded();
    }

    /** Waits for all answers. */
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
