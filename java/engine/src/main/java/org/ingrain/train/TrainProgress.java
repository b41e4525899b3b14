package org.ingrain.train;

/** Hears how training goes, on the thread that trains. Nothing of the result depends on it. */
public interface TrainProgress {
    TrainProgress SILENT = step -> { };

    void trained(Step step);

    /** The mean loss of a validation target after a step. */
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
