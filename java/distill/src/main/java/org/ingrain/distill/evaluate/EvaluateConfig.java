package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * How answers are measured.
 *
 * @param params    greedy as a rule; its seed is that of the random numbers
 * @param samples   of each step, as in {@link SampleConfig}; several answers to a question vote. Empty: one of each.
 * @param orders    of options or responses that each question is asked in, as many as the task has; 1: as given
 * @param controls  students to train and measure besides
 * @param votes     numbers of answers whose majorities are reported, ascending; the largest is drawn, from the first
 *                  step on, in place of {@code samples}. Empty, or 1 alone: what {@code samples} says.
 * @param baselines methods that the base model is measured with besides, in the order of the table
 */
public record EvaluateConfig(SamplingParams params, List<Integer> samples, int orders, List<Control> controls,
                             @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Integer> votes,
                             @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Method> baselines) {
    public EvaluateConfig {
        votes = votes == null || votes.equals(List.of(1)) ? List.of() : votes.stream().distinct().sorted().toList();
        if (!votes.isEmpty() && (votes.getFirst() < 1 || votes.getLast() > Plan.MOST_ANSWERS)) {
            throw InputException.field("testVotes", votes + ", expected 1 to " + Plan.MOST_ANSWERS);
        }
        samples = !votes.isEmpty() ? List.of(votes.getLast()) : samples == null || samples.isEmpty()
                ? List.of(1) : List.copyOf(samples);
        controls = controls == null ? List.of() : controls.stream().distinct().sorted().toList();
        baselines = baselines == null ? List.of() : List.copyOf(baselines);
        Set<String> names = new HashSet<>();
        for (Method baseline : baselines) {
            if (!names.add(baseline.name())) {
                throw InputException.field("baselines", "two are named " + baseline.name() + ", expected each once");
            }
        }
        if (orders < 1) {
            throw InputException.field("testOrders", orders + ", expected 1 or more");
        }
        if (params.temperature() == 0 && samples.stream().anyMatch(n -> n > 1)) {
            throw InputException.field(votes.isEmpty() ? "samples" : "testVotes", (votes.isEmpty() ? samples : votes)
                    + " answers at temperature 0 are all the same, expected 1 or a temperature");
        }
    }

    /** The majority of all answers alone, no other methods. */
    public EvaluateConfig(SamplingParams params, List<Integer> samples, int orders, List<Control> controls) {
        this(params, samples, orders, controls, List.of(), List.of());
    }

    /** Greedy, one answer a question, no controls. */
    public static EvaluateConfig greedy(int maxTokens) {
        return new EvaluateConfig(SamplingParams.greedy(maxTokens), List.of(), 1, List.of());
    }

    /** Sampling settings for a method with this number of sampled steps. */
    public SampleConfig sampling(int steps) {
        return new SampleConfig(samples.subList(0, Math.min(steps, samples.size())), params);
    }
}
