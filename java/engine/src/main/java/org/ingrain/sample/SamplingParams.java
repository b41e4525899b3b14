package org.ingrain.sample;

import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * How tokens are chosen and when a sample ends.
 *
 * @param temperature 0 for greedy
 * @param topK        most probable tokens kept, 0 for all
 * @param topP        probability mass kept (nucleus sampling, arXiv:1904.09751), 1 for all
 * @param maxTokens   most tokens generated
 * @param seed        of the random numbers, which are keyed by seed, sample and position alone
 * @param stop        strings that end a sample; not part of its text
 * @param stopTokens  token ids that end a sample, beside the model's own end-of-sequence ids
 * @param ignoreEos   go on after an end-of-sequence id
 */
public record SamplingParams(float temperature, int topK, float topP, int maxTokens, long seed, List<String> stop,
                             List<Integer> stopTokens, boolean ignoreEos) {
    public SamplingParams {
        if (!(temperature >= 0) || Float.isInfinite(temperature)) {
            throw new InputException("--temperature: " + temperature + ", expected 0 or more");
        }
        if (topK < 0) {
            throw new InputException("--top-k: " + topK + ", expected 0 (all) or more");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new InputException("--top-p: " + topP + ", expected more than 0 and at most 1");
        }
        if (maxTokens < 1) {
            throw new InputException("--max-tokens: " + maxTokens + ", expected 1 or more");
        }
        if (stop.stream().anyMatch(String::isEmpty)) {
            throw new InputException("--stop: an empty string, expected at least one character");
        }
        stop = List.copyOf(stop);
        stopTokens = List.copyOf(stopTokens);
    }

    /** The most probable token each time. */
    public static SamplingParams greedy(int maxTokens) {
        return new SamplingParams(0, 0, 1, maxTokens, 0, List.of(), List.of(), false);
    }

    /** Sampling by temperature and nucleus. */
    public static SamplingParams sampled(float temperature, float topP, int maxTokens, long seed) {
        return new SamplingParams(temperature, 0, topP, maxTokens, seed, List.of(), List.of(), false);
    }
}
