package org.ingrain.distill.sample;

import java.util.BitSet;
import java.util.List;
import org.ingrain.distill.task.Example;

/**
 * Says which of an example's answers are worth drawing. What stops, and after which answer, depends on the answers
 * alone, never on the order in which they end.
 */
public interface Stopping {
    /** Draws all of them. */
    Stopping NEVER = (orders, plan) -> orders.stream().map(order -> new All(plan.leaves())).toList();

    /**
     * Begins with one question.
     *
     * @param orders in which it is asked, the given one first
     * @return for each order what it needs, which may depend on the others
     */
    List<? extends Count> begin(List<Example> orders, Plan plan);

    /** Of one order of a question. Answers are numbered from 0, depth first. */
    interface Count {
        /** Takes an answer, in any order, each once. */
        void add(int number, Answers.Chain answer);

        /** The answers that may be worked on; grows with what is added, until nothing is wanted any more. */
        BitSet open();

        /** Whether nothing that could still come would change the verdict. */
        boolean settled();

        /**
         * Once all orders are settled, the answers that the verdict rests on: those up to the deciding one, perhaps
         * none of this order.
         */
        BitSet recorded();
    }

    /** Waits for every answer. */
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
