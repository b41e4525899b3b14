package org.ingrain.sample;

import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Sampling parameters and stop conditions. {@link #greedy} and {@link #sampled} create parameters; each {@code with}
 * method returns a copy with one setting changed.
 *
 * @param temperature 0 for greedy decoding
 * @param topK        number of most probable tokens to keep, 0 for all
 * @param topP        probability mass to keep (nucleus sampling, arXiv:1904.09751), 1 for all
 * @param maxTokens   maximum number of generated tokens
 * @param seed        seed of the random number generator; each draw is keyed by seed, sample number and position
 * @param stop        strings that end a sample; a stop string is not part of the sample's text
 * @param stopTokens  token ids that end a sample, in addition to the model's end-of-sequence ids
 * @param ignoreEos   whether to continue after an end-of-sequence id
 */
public record SamplingParams(double temperature, int topK, double topP, int maxTokens, long seed, List<String> stop,
                             List<Integer> stopTokens, boolean ignoreEos) {
    private static final int MAX_TEMPERATURE = 1000;

    public SamplingParams {
        if (!(temperature >= 0 && temperature <= MAX_TEMPERATURE)) {
            throw InputException.field("temperature", temperature + ", expected 0 (greedy) to " + MAX_TEMPERATURE);
        }
        if (topK < 0) {
            throw InputException.field("topK", topK + ", expected 0 (all) or more");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw InputException.field("topP", topP + ", expected more than 0 and at most 1");
        }
        if (maxTokens < 1) {
            throw InputException.field("maxTokens", maxTokens + ", expected 1 or more");
        }
        if (stop.stream().anyMatch(String::isEmpty)) {
            throw InputException.field("stop", "an empty string, expected at least one character");
        }
        stop = List.copyOf(stop);
        stopTokens = List.copyOf(stopTokens);
    }

    /** Greedy decoding: the most probable token at each position. */
    public static SamplingParams greedy(int maxTokens) {
        return new SamplingParams(0, 0, 1, maxTokens, 0, List.of(), List.of(), false);
    }

    /** Sampling with temperature and top-p. */
    public static SamplingParams sampled(double temperature, double topP, int maxTokens, long seed) {
        return new SamplingParams(temperature, 0, topP, maxTokens, seed, List.of(), List.of(), false);
    }

    public SamplingParams withTemperature(double value) {
        return new SamplingParams(value, topK, topP, maxTokens, seed, stop, stopTokens, ignoreEos);
    }

    public SamplingParams withTopK(int value) {
        return new SamplingParams(temperature, value, topP, maxTokens, seed, stop, stopTokens, ignoreEos);
    }

    public SamplingParams withTopP(double value) {
        return new SamplingParams(temperature, topK, value, maxTokens, seed, stop, stopTokens, ignoreEos);
    }

    public SamplingParams withMaxTokens(int value) {
        return new SamplingParams(temperature, topK, topP, value, seed, stop, stopTokens, ignoreEos);
    }

    public SamplingParams withSeed(long value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, value, stop, stopTokens, ignoreEos);
    }

    public SamplingParams withStop(List<String> value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, value, stopTokens, ignoreEos);
    }

    public SamplingParams withStopTokens(List<Integer> value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, stop, value, ignoreEos);
    }

    public SamplingParams withIgnoreEos(boolean value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, stop, stopTokens, value);
    }
}
