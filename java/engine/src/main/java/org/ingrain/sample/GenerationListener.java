package org.ingrain.sample;

/** Hears of a request's samples as they grow. Called on the thread that steps the generator. */
public interface GenerationListener {
    /** New text of a sample that can no longer be part of a stop string; never empty. */
    default void text(int sample, String piece) {
    }

    /** A sample is finished. */
    void finished(Completion completion);
}
