package org.ingrain.train.run;

/** Receives the progress of training, on the thread that trains, and may end it early. */
public interface TrainProgress {
    TrainProgress SILENT = step -> { };

    void trained(Step step);

    /**
     * Whether training stops early, after this step. For a resumed run to give the same result, this must depend only
     * on the step and the weights.
     *
     * @param step that is done, its checkpoint included; 0 before the first
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
     * An optimizer step that is done, its validation and checkpoint included.
     *
     * @param step            from 1
     * @param of              steps of the whole run
     * @param loss            mean of its target tokens
     * @param tokensPerSecond of this process so far, validation included
     */
    record Step(int step, int of, double loss, double tokensPerSecond) {
    }
}
