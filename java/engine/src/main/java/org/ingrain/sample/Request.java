package org.ingrain.sample;

import org.ingrain.tensor.InputException;

/**
 * A prompt and the samples wanted of it. Sample i of a request draws the same tokens whatever else is sampled beside
 * it; a request for one sample with {@code firstSample} i draws that sample alone.
 *
 * @param prompt                 token ids, special tokens included
 * @param samples                how many completions
 * @param firstSample            number of the first, which keys its random numbers
 * @param params                 how they are drawn
 * @param adapterSlot            adapter of the generator's bank, -1 for the base model
 * @param promptLogProbabilities whether the prompt's own log-probabilities are wanted
 */
public record Request(int[] prompt, int samples, int firstSample, SamplingParams params, int adapterSlot,
        boolean promptLogProbabilities) {
    public Request {
        if (prompt.length == 0) {
            throw InputException.field("prompt", "no tokens, expected at least one");
        }
        if (samples < 1) {
            throw InputException.field("samples", samples + ", expected 1 or more");
        }
        if (firstSample < 0) {
            throw InputException.field("firstSample", firstSample + ", expected 0 or more");
        }
    }

    /** Samples of the base model, numbered from 0. */
    public static Request of(int[] prompt, int samples, SamplingParams params) {
        return new Request(prompt, samples, 0, params, -1, false);
    }
}
