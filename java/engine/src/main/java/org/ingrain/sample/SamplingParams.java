package org.ingrain.sample;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
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
 * @param minTokens   minimum number of generated tokens, at most {@code maxTokens}. None of the first {@code minTokens}
 *                    tokens ends a sample, and their text is not searched for stop strings. If the context is full, a
 *                    sample ends earlier
 * @param logitBias   for some token ids, a value that is added to the logit of the token before temperature, top-k and
 *                    top-p are applied. At most {@value #MAX_LOGIT_BIASES} ids; values from
 *                    -{@value #MAX_LOGIT_BIAS} to {@value #MAX_LOGIT_BIAS}. The map is copied and sorted by id
 */
public record SamplingParams(double temperature, int topK, double topP, int maxTokens, long seed, List<String> stop,
                             List<Integer> stopTokens, boolean ignoreEos,
                             @JsonInclude(JsonInclude.Include.NON_DEFAULT) int minTokens,
                             @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<Integer, Float> logitBias) {
    public static final int MAX_LOGIT_BIASES = 300;
    public static final int MAX_LOGIT_BIAS = 100;
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
        if (minTokens < 0 || minTokens > maxTokens) {
            throw InputException.field("minTokens", minTokens + ", expected 0 to the maximum number of tokens, "
                    + maxTokens);
        }
        logitBias = logitBias == null ? Map.of() : Collections.unmodifiableMap(new TreeMap<>(logitBias));
        if (logitBias.size() > MAX_LOGIT_BIASES) {
            throw InputException.field("logitBias", logitBias.size() + " ids, expected at most " + MAX_LOGIT_BIASES);
        }
        logitBias.forEach((id, value) -> {
            if (!(Math.abs(value) <= MAX_LOGIT_BIAS)) {
                throw InputException.field("logitBias", value + " for token id " + id + ", expected -" + MAX_LOGIT_BIAS
                        + " to " + MAX_LOGIT_BIAS);
            }
        });
    }

    /** Whether a token ends a sample, for a model with these end-of-sequence ids. */
    boolean ends(int id, Set<Integer> eosIds) {
        return (eosIds.contains(id) && !ignoreEos) || stopTokens.contains(id);
    }

    /** Greedy decoding: the most probable token at each position. */
    public static SamplingParams greedy(int maxTokens) {
        return new SamplingParams(0, 0, 1, maxTokens, 0, List.of(), List.of(), false, 0, Map.of());
    }

    /** Sampling with temperature and top-p. */
    public static SamplingParams sampled(double temperature, double topP, int maxTokens, long seed) {
        return new SamplingParams(temperature, 0, topP, maxTokens, seed, List.of(), List.of(), false, 0, Map.of());
    }

    public SamplingParams withTemperature(double value) {
        return new SamplingParams(value, topK, topP, maxTokens, seed, stop, stopTokens, ignoreEos,
                minTokens, logitBias);
    }

    public SamplingParams withTopK(int value) {
        return new SamplingParams(temperature, value, topP, maxTokens, seed, stop, stopTokens, ignoreEos,
                minTokens, logitBias);
    }

    public SamplingParams withTopP(double value) {
        return new SamplingParams(temperature, topK, value, maxTokens, seed, stop, stopTokens, ignoreEos,
                minTokens, logitBias);
    }

    public SamplingParams withMaxTokens(int value) {
        return new SamplingParams(temperature, topK, topP, value, seed, stop, stopTokens, ignoreEos,
                minTokens, logitBias);
    }

    public SamplingParams withSeed(long value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, value, stop, stopTokens, ignoreEos,
                minTokens, logitBias);
    }

    public SamplingParams withStop(List<String> value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, value, stopTokens, ignoreEos,
                minTokens, logitBias);
    }

    public SamplingParams withStopTokens(List<Integer> value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, stop, value, ignoreEos, minTokens,
                logitBias);
    }

    public SamplingParams withIgnoreEos(boolean value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, stop, stopTokens, value, minTokens,
                logitBias);
    }

    public SamplingParams withMinTokens(int value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, stop, stopTokens, ignoreEos, value,
                logitBias);
    }

    public SamplingParams withLogitBias(Map<Integer, Float> value) {
        return new SamplingParams(temperature, topK, topP, maxTokens, seed, stop, stopTokens, ignoreEos, minTokens,
                value);
    }
}
