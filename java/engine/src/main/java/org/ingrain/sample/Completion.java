package org.ingrain.sample;

/**
 * One finished sample.
 *
 * @param sample                 number of the sample within its request
 * @param ids                    generated token ids, including the end-of-sequence id if the sample ended with one
 * @param logProbabilities       log-probability (natural logarithm) of each generated id, at temperature 1 and without
 *                               top-k, top-p, logit biases or banned tokens
 * @param text                   decoded text without special tokens and without the stop string
 * @param reason                 reason for the end of the sample
 * @param promptLogProbabilities log-probability of each prompt id given the preceding ids, NaN for the first id; null
 *                               if not requested
 * @param topTokens              the most probable tokens at the position of each generated id, at temperature 1 and
 *                               without biases and bans; null if not requested
 * @param promptTopTokens        the most probable tokens at the position of each prompt id, at temperature 1; null if
 *                               not requested
 */
public record Completion(int sample, int[] ids, float[] logProbabilities, String text, FinishReason reason,
                         float[] promptLogProbabilities, TopTokens topTokens, TopTokens promptTopTokens) {
    /** Why a sample ended. */
    public enum FinishReason {
        /** An end-of-sequence id, a stop token or a stop string was generated. */
        STOP,
        /** The maximum number of tokens was reached, or the context is full. */
        LENGTH,
        /** The sample was cancelled by {@link Ticket#cancel}. */
        CANCELLED
    }
}
