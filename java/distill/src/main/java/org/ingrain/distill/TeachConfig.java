package org.ingrain.distill;

import org.ingrain.tensor.InputException;

/**
 * The number of distillations and of training stages.
 *
 * @param rounds number of distillations; each samples from the model of the one before
 * @param stages number of stages in which the reasoning before the answer is removed, with a training after each (step
 *               by step, arXiv:2405.14838); 0: one training on the answer alone
 */
public record TeachConfig(int rounds, int stages) {
    private static final int MOST = 1000;

    public TeachConfig {
        if (rounds < 1 || rounds > MOST) {
            throw InputException.field("rounds", rounds + ", expected 1 to " + MOST);
        }
        if (stages < 0 || stages > MOST) {
            throw InputException.field("stages", stages + ", expected 0 (train on the answer alone) to " + MOST);
        }
    }

    /** One round, trained on the answer alone. */
    public static TeachConfig once() {
        return new TeachConfig(1, 0);
    }
}
