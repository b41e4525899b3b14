package org.ingrain.sample;

import org.ingrain.sample.step.StepPlan;
import org.ingrain.tensor.InputException;

/**
 * A prompt and the samples to generate from it. On the CPU, and on a GPU in deterministic mode, the tokens of a sample
 * do not depend on the other samples or requests in the batch. A request for one sample with {@code firstSample} i then
 * generates the same tokens as sample i of a larger request.
 *
 * @param prompt                 token ids, special tokens included
 * @param samples                number of samples
 * @param firstSample            number of the first sample; a random number is a function of seed, sample number and
 *                               position
 * @param params                 sampling parameters
 * @param adapterSlot            slot in the generator's adapter bank, -1 for the base model
 * @param promptLogProbabilities whether to compute the log-probabilities of the prompt tokens
 * @param continuesText          whether the text of a completion continues the text of the prompt. If true, prompt and
 *                               completion are decoded together, and the text of the prompt is then removed. If false,
 *                               the completion is decoded alone, and SentencePiece tokenizers remove its leading space
 * @param topTokens              number of most probable tokens to report for each generated token, and for each prompt
 *                               token if {@code promptLogProbabilities} is true; 0 to {@value #MAX_TOP_TOKENS}
 */
public record Request(int[] prompt, int samples, int firstSample, SamplingParams params, int adapterSlot,
        boolean promptLogProbabilities, boolean continuesText, int topTokens) {
    /** Maximum of {@code topTokens}. */
    public static final int MAX_TOP_TOKENS = StepPlan.MAX_TOP_TOKENS;

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
        if (topTokens < 0 || topTokens > MAX_TOP_TOKENS) {
            throw InputException.field("topTokens", topTokens + ", expected 0 to " + MAX_TOP_TOKENS);
        }
    }

    /** Creates a request in which {@code continuesText} is false and {@code topTokens} is 0. */
    public Request(int[] prompt, int samples, int firstSample, SamplingParams params, int adapterSlot,
                   boolean promptLogProbabilities) {
        this(prompt, samples, firstSample, params, adapterSlot, promptLogProbabilities, false, 0);
    }

    /** Creates a request to the base model, with samples numbered from 0. */
    public static Request of(int[] prompt, int samples, SamplingParams params) {
        return new Request(prompt, samples, 0, params, -1, false);
    }

    /** A copy of this request with another value of {@code continuesText}. */
    public Request withContinuesText(boolean value) {
        return new Request(prompt, samples, firstSample, params, adapterSlot, promptLogProbabilities, value,
                topTokens);
    }

    /** A copy of this request with another value of {@code topTokens}. */
    public Request withTopTokens(int value) {
        return new Request(prompt, samples, firstSample, params, adapterSlot, promptLogProbabilities, continuesText,
                value);
    }
}
