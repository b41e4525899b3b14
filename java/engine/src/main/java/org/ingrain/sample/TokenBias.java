package org.ingrain.sample;

import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.sample.step.StepPlan;
import org.ingrain.tensor.InputException;

/**
 * The values that are added to the logits of a request's samples. They are the values of {@code logitBias} and, until
 * {@code minTokens} tokens are generated, negative infinity for the tokens that end a sample.
 */
final class TokenBias {
    private final int minTokens;
    private final Values first;
    private final Values later;

    /** Distinct token ids and the value of each. */
    private record Values(int[] ids, float[] values) {
        static Values of(SortedMap<Integer, Float> map) {
            int[] ids = map.keySet().stream().mapToInt(Integer::intValue).toArray();
            float[] values = new float[ids.length];
            IntStream.range(0, ids.length).forEach(i -> values[i] = map.get(ids[i]));
            return new Values(ids, values);
        }
    }

    private TokenBias(int minTokens, Values first, Values later) {
        this.minTokens = minTokens;
        this.first = first;
        this.later = later;
    }

    /**
     * The biases of a request with these parameters. End-of-sequence ids and stop tokens outside the vocabulary are not
     * banned, because they are never drawn.
     *
     * @throws InputException if {@code logitBias} has an id outside the vocabulary, if every token would be banned, or
     *         if there are more than {@link StepPlan#MAX_BIASES} ids
     */
    static TokenBias of(SamplingParams params, Set<Integer> eosIds, int vocabSize) {
        TreeMap<Integer, Float> later = new TreeMap<>(params.logitBias());
        if (!later.isEmpty() && (later.firstKey() < 0 || later.lastKey() >= vocabSize)) {
            throw InputException.field("logitBias", "token id " + (later.firstKey() < 0
                    ? later.firstKey() : later.lastKey()) + ", expected 0 to " + (vocabSize - 1));
        }
        if (params.minTokens() == 0) {
            return new TokenBias(0, null, Values.of(later));
        }
        TreeMap<Integer, Float> first = new TreeMap<>(later);
        long banned = Stream.concat(eosIds.stream(), params.stopTokens().stream()).distinct()
                .filter(id -> id >= 0 && id < vocabSize && params.ends(id, eosIds))
                .peek(id -> first.put(id, Float.NEGATIVE_INFINITY)).count();
        if (banned == vocabSize) {
            throw InputException.field("minTokens", params.minTokens()
                    + ", expected 0, because every token of the vocabulary ends a sample");
        }
        if (first.size() > StepPlan.MAX_BIASES) {
            throw InputException.field("minTokens", params.minTokens() + " with " + first.size()
                    + " ids of stop tokens and logit biases, expected at most " + StepPlan.MAX_BIASES + " ids");
        }
        return new TokenBias(params.minTokens(), Values.of(first), Values.of(later));
    }

    /**
     * The bias for a draw of a step, or null if the draw has no bias.
     *
     * @param draw      index of the draw in its plan
     * @param generated number of tokens of the sample that precede this draw, including unread tokens
     */
    StepPlan.Bias at(int draw, int generated) {
        Values values = generated < minTokens ? first : later;
        return values.ids.length == 0 ? null : new StepPlan.Bias(draw, values.ids, values.values);
    }
}
