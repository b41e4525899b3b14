package org.ingrain.distill.method;

import java.util.List;
import org.ingrain.distill.sample.PromptTemplate;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * What a step asks, for one task or for all others.
 *
 * @param task        name of the task, or null for every task that has no variant of its own
 * @param prompt      with {question}, {previous} and the names of earlier steps
 * @param samples     completions of each prompt, where the run does not say otherwise
 * @param mark        how sure the wording is
 * @param temperature and the following: instead of the run's, or null
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

    /** The run's parameters with this variant's own in their place. */
    SamplingParams params(SamplingParams run) {
        return run.withTemperature(or(temperature, run.temperature())).withTopP(or(topP, run.topP()))
                .withTopK(or(topK, run.topK()))
                .withMaxTokens(or(maxTokens, run.maxTokens())).withStop(or(stop, run.stop()));
    }

    private static <T> T or(T own, T otherwise) {
        return own == null ? otherwise : own;
    }
}
