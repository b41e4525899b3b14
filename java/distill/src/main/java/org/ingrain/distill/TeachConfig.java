package org.ingrain.distill;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.ingrain.tensor.InputException;

/**
 * Settings of the teacher, of the distillation rounds and of the training stages in each round.
 *
 * @param rounds number of distillation rounds; each round samples from the model that the previous round trained
 * @param stages number of stages that remove the reasoning before the answer (step by step, arXiv:2405.14838). The
 *               student is trained once before the first stage, and again after each stage. 0: a single training on the
 *               answer alone
 * @param otherTeacher whether the teacher of the first round is a different model from the students' base model
 */
public record TeachConfig(int rounds, int stages,
        @JsonInclude(JsonInclude.Include.NON_DEFAULT) boolean otherTeacher) {
    private static final int MOST = 1000;

    public TeachConfig {
        if (rounds < 1 || rounds > MOST) {
            throw InputException.field("rounds", rounds + ", expected 1 to " + MOST);
        }
        if (stages < 0 || stages > MOST) {
            throw InputException.field("stages", stages + ", expected 0 (train on the answer alone) to " + MOST);
        }
    }

    /** Settings in which the base model is the teacher of the first round. */
    public TeachConfig(int rounds, int stages) {
        this(rounds, stages, false);
    }

    /** One round with a single training on the answer alone. */
    public static TeachConfig once() {
        return new TeachConfig(1, 0);
    }
}
