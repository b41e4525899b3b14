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
 * Settings of an evaluation.
 *
 * @param params    sampling parameters, usually greedy
 * @param samples   number of samples of each step, as in {@link SampleConfig}; empty: one sample per step. If a
 *                  question has several answers, they are counted as votes
 * @param orders    maximum number of presentation orders of the options or responses in which each question is asked;
 *                  1: only the given order
 * @param controls  students that are trained and evaluated for comparison
 * @param votes     numbers k, ascending: for each k, the majority vote of the first k answers is reported. The first
 *                  step then draws as many samples as the largest k, and {@code samples} is ignored. Empty or [1]: no
 *                  such votes are reported, and {@code samples} determines the numbers of samples
 * @param baselines further methods to evaluate on the base model, in the sequence of the table rows
 * @param controlSamples number of direct answers per question for the control {@code distilled-system-1}; 0: the
 *                  number of answers that vote on a label of the method
 * @param systemTwoAfter whether the last student is also evaluated with the method that is distilled
 */
public record EvaluateConfig(SamplingParams params, List<Integer> samples, int orders, List<Control> controls,
                             @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Integer> votes,
                             @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Method> baselines,
                             @JsonInclude(JsonInclude.Include.NON_DEFAULT) int controlSamples,
                             @JsonInclude(JsonInclude.Include.NON_DEFAULT) boolean systemTwoAfter) {
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
                throw InputException.field("baselines", "two are named " + baseline.name()
                        + ", expected different names");
            }
        }
        if (controlSamples < 0 || controlSamples > Plan.MOST_ANSWERS) {
            throw InputException.field("controlSamples", controlSamples + ", expected 1 to " + Plan.MOST_ANSWERS);
        }
        if (controlSamples > 0 && !controls.contains(Control.DISTILLED_SYSTEM_1)) {
            throw InputException.field("controlSamples", controlSamples + ", expected none without the control "
                    + "distilled-system-1");
        }
        if (orders < 1) {
            throw InputException.field("testOrders", orders + ", expected 1 or more");
        }
        if (params.temperature() == 0 && samples.stream().anyMatch(n -> n > 1)) {
            throw InputException.field(votes.isEmpty() ? "samples" : "testVotes", (votes.isEmpty() ? samples : votes)
                    + ", expected 1 or a temperature above 0: at temperature 0 all answers are equal");
        }
    }

    /** Settings with the default {@code controlSamples} and without {@code systemTwoAfter}. */
    public EvaluateConfig(SamplingParams params, List<Integer> samples, int orders, List<Control> controls,
            List<Integer> votes, List<Method> baselines) {
        this(params, samples, orders, controls, votes, baselines, 0, false);
    }

    /** Settings without majority votes of the first k answers and without baselines. */
    public EvaluateConfig(SamplingParams params, List<Integer> samples, int orders, List<Control> controls) {
        this(params, samples, orders, controls, List.of(), List.of());
    }

    /** Settings with one greedy answer per question, the given order only, and no controls. */
    public static EvaluateConfig greedy(int maxTokens) {
        return new EvaluateConfig(SamplingParams.greedy(maxTokens), List.of(), 1, List.of());
    }

    /** The settings with which the evaluation samples a method that has {@code steps} sampled steps. */
    public SampleConfig sampling(int steps) {
        return new SampleConfig(samples.subList(0, Math.min(steps, samples.size())), params);
    }
}
