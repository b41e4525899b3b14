package org.ingrain.distill.evaluate;

import java.util.List;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * How answers are measured.
 *
 * @param params   greedy as a rule
 * @param samples  of each step, as in {@link SampleConfig}; several answers to a question vote. Empty: one of each.
 * @param orders   of options or responses that each question is asked in, as many as the task has; 1: as given
 * @param seed     of the random numbers, where it is not greedy
 * @param controls students to train and measure besides
 */
public record EvaluateConfig(SamplingParams params, List<Integer> samples, int orders, long seed, List<Control> controls) {
    public EvaluateConfig {
        samples = samples == null || samples.isEmpty() ? List.of(1) : List.copyOf(samples);
        controls = controls == null ? List.of() : controls.stream().distinct().sorted().toList();
        if (orders < 1) {
            throw new InputException("--test-orders: " + orders + ", expected 1 or more");
        }
        if (params.temperature() == 0 && samples.stream().anyMatch(n -> n > 1)) {
            throw new InputException("evaluation: " + samples + " samples at temperature 0 are all the same, expected 1 each or a"
                    + " temperature");
        }
    }

    /** Greedy, one answer a question, no controls. */
    public static EvaluateConfig greedy(int maxTokens) {
        return new EvaluateConfig(new SamplingParams(0, 1, 0, maxTokens, List.of()), List.of(), 1, 1, List.of());
    }

    SampleConfig sampling(int steps) {
        return new SampleConfig(samples.subList(0, Math.min(steps, samples.size())), params, seed);
    }
}
