package org.ingrain.sample;

/**
 * One finished sample.
 *
 * @param sample                 its number within the request
 * @param ids                    generated token ids, the end-of-sequence id included where there was one
 * @param logProbabilities       of each generated id under the model's untempered distribution, natural logarithm
 * @param text                   what the ids say, without special tokens and without a stop string
 * @param reason                 why it ended
 * @param promptLogProbabilities of each prompt id given those before it (NaN for the first), or null where not asked
 *                               for
 */
public record Completion(int sample, int[] ids, float[] logProbabilities, String text, FinishReason reason,
                         float[] promptLogProbabilities) {
    /** Why a sample ended. */
    public enum FinishReason {
        /** An end-of-sequence id, a stop token or a stop string. */
        STOP,
        /** As many tokens as were wanted, or the context is full. */
        LENGTH,
        /** Cancelled by the caller. */
        CANCELLED
    }
}
