package org.ingrain.distill;

import org.ingrain.tensor.InputException;

/**
 * How often and in how many steps the student is taught.
 *
 * @param rounds distillations one after another: each samples the model that the one before has made
 * @param stages parts in which the words before the answer are taken away, training on what is left each time (step by
 *               step, arXiv:2405.14838); 0: all at once, the answer alone is taught
 */
public record TeachConfig(int rounds, int stages) {
    private static final int MOST = 1000;

    public TeachConfig {
        if (rounds < 1 || rounds > MOST) {
            throw InputException.field("rounds", rounds + ", expected 1 to " + MOST);
        }
        if (stages < 0 || stages > MOST) {
            throw InputException.field("stages", stages + ", expected 0 (the answer at once) to " + MOST);
        }
    }

    /** One round, all at once. */
    public static TeachConfig once() {
        return new TeachConfig(1, 0);
    }
}
