package org.ingrain.sample;

/** Receives the output of a request's samples. Called on the thread that calls {@link Generator#step}. */
public interface GenerationListener {
    /** Reports new text of a sample. The piece is never empty and cannot become part of a stop string. */
    default void text(int sample, String piece) {
    }

    /** Reports a finished sample. */
    void finished(Completion completion);
}
