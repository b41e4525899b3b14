package org.ingrain.sample;

/**
 * Receives the output of a request's samples. The methods are called on the thread that calls {@link Generator#step}.
 */
public interface GenerationListener {
    /**
     * Reports a generated token. This method is called before {@link #text} reports the text that the token completes.
     * A token may complete no text, or its text may be withheld because it may be part of a stop string.
     */
    default void token(int sample, GeneratedToken token) {
    }

    /**
     * Reports new text of a sample. {@code piece} is not empty. It is not part of a stop string, whatever text follows.
     */
    default void text(int sample, String piece) {
    }

    /** Reports a finished sample. */
    void finished(Completion completion);

    /**
     * Reports that a sample ended without a completion. The default implementation throws {@code cause}. Then {@link
     * Generator#step} throws it, too.
     *
     * @param cause the exception that refused the request or ended the generator. If the softmax of the sample's logits
     *              is undefined, for example because a logit is NaN: an InputException that names the model
     */
    default void failed(int sample, RuntimeException cause) {
        throw cause;
    }
}
