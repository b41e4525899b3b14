package org.ingrain.sample;

/**
 * One generated token.
 *
 * @param id                  token id
 * @param logProbability      log-probability (natural logarithm) of the token at temperature 1, without top-k, top-p,
 *                            logit biases or banned tokens
 * @param topIds              the most probable token ids at this position, most probable first; empty if the request
 *                            has no {@code topTokens}
 * @param topLogProbabilities the log-probabilities of {@code topIds}
 */
public record GeneratedToken(int id, float logProbability, int[] topIds, float[] topLogProbabilities) {
}
