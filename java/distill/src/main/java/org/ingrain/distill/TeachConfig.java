package org.ingrain.distill;

import org.ingrain.tensor.InputException;

/**
 * Settings of the distillation rounds and of the training stages in each round.
 *
 * @param rounds number of distillation rounds; each round samples from the model that the previous round trained
 * @param stages number of stages that remove the reasoning before the answer (step by step, arXiv:2405.14838); the
 *               student is trained before the first stage and after each stage; 0: a single training on the answer
 *               alone
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

    /** One round with a single training on the answer alone. */
    public static TeachConfig once() {
        return new TeachConfig(1, 0);
    }
}
