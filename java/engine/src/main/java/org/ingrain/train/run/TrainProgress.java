package org.ingrain.train.run;

/**
 * Receives the progress of training and may end training early. The methods are called on the thread that calls the
 * trainer.
 */
public interface TrainProgress {
    TrainProgress SILENT = step -> { };

    /** Reports a finished step. */
    void trained(Step step);

    /**
     * Whether training ends early, after this step. The returned value must depend only on the step and the weights;
     * otherwise a resumed run may end at another step.
     *
     * @param step last finished step; 0 before the first step. If a checkpoint is due after this step, the checkpoint
     *             has already been written
     */
    default boolean enough(int step) {
        return false;
    }

    /** Whether to write the result at the end of training; false for measurements. */
    default boolean wantsResult() {
        return true;
    }

    /** Reports the mean loss per validation target after a step. */
    default void validated(int step, double loss) {
    }

    /**
     * A finished optimizer step. If a validation or a checkpoint was due after this step, it has already been
     * completed.
     *
     * @param step            number of the step, from 1
     * @param of              number of steps of the run
     * @param loss            mean loss per target token
     * @param tokensPerSecond mean throughput of this process so far; validation tokens are included
     */
    record Step(int step, int of, double loss, double tokensPerSecond) {
    }
}
