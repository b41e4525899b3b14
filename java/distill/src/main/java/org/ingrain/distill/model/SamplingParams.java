package org.ingrain.distill.model;

import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * How one text is drawn.
 *
 * @param temperature 0 is greedy
 * @param topP        probability mass that is kept, in (0, 1]
 * @param topK        tokens that are kept, 0 for all
 * @param maxTokens   longest text, in tokens
 * @param stop        texts that end it, themselves left out
 */
public record SamplingParams(double temperature, double topP, int topK, int maxTokens, List<String> stop) {
    private static final int HOTTEST = 1000;

    public SamplingParams {
        if (!(temperature >= 0 && temperature <= HOTTEST)) {
            throw new InputException("temperature: " + temperature + ", expected 0 (greedy) to " + HOTTEST);
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new InputException("topP: " + topP + ", expected more than 0 and at most 1");
        }
        if (topK < 0) {
            throw new InputException("topK: " + topK + ", expected 0 (all) or more");
        }
        if (maxTokens < 1) {
            throw new InputException("maxTokens: " + maxTokens + ", expected 1 or more");
        }
        stop = stop == null ? List.of() : List.copyOf(stop);
        if (stop.contains("")) {
            throw new InputException("stop: an empty text would end everything at once");
        }
    }
}
