package org.ingrain.distill.method;

import java.util.List;
import org.ingrain.distill.sample.PromptTemplate;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * The prompt of a step for one task, or for all tasks without their own variant.
 *
 * @param task        the task that this variant is for. If null, this variant is for every task that has no variant of
 *                    its own in this step
 * @param prompt      text with placeholders: {question}, {previous} (the previous step's text), names of earlier steps,
 *                    fields of the task
 * @param samples     number of completions per prompt, unless the run sets another number
 * @param mark        source of the wording
 * @param temperature temperature of this step; null: the temperature of the run. Likewise, null for {@code topP},
 *                    {@code topK}, {@code maxTokens} or {@code stop} means the value of the run
 */
public record Variant(String task, String prompt, int samples, Mark mark, Double temperature, Double topP, Integer topK,
                      Integer maxTokens, List<String> stop) {
    public Variant {
        if (prompt == null || prompt.isBlank()) {
            throw new InputException("prompt: missing, expected a text with {question}");
        }
        if (samples < 1) {
            throw new InputException("samples: " + samples + ", expected 1 or more");
        }
        if (mark == null) {
            throw new InputException("mark: missing, expected read, quoted, recalled, uncertain or ours");
        }
        SamplingParams.sampled(or(temperature, 0.0), or(topP, 1.0), or(maxTokens, 1), 0).withTopK(or(topK, 0))
                .withStop(or(stop, List.of()));
    }

    PromptTemplate template() {
        return new PromptTemplate(prompt);
    }

    /** A copy of the run's parameters in which the values that this variant sets replace those of the run. */
    SamplingParams params(SamplingParams run) {
        return run.withTemperature(or(temperature, run.temperature())).withTopP(or(topP, run.topP()))
                .withTopK(or(topK, run.topK()))
                .withMaxTokens(or(maxTokens, run.maxTokens())).withStop(or(stop, run.stop()));
    }

    private static <T> T or(T own, T otherwise) {
        return own == null ? otherwise : own;
    }
}
