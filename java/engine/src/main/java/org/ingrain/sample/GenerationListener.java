package org.ingrain.sample;

/**
 * Receives the output of a request's samples. The methods are called on the thread that calls {@link Generator#step}.
 */
public interface GenerationListener {
    /** Reports new text of a sample. {@code piece} is never empty and cannot turn out to be part of a stop string. */
    default void text(int sample, String piece) {
    }

    /** Reports a finished sample. */
    void finished(Completion completion);
}
