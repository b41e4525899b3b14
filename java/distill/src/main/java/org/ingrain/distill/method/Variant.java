package org.ingrain.distill.method;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.ingrain.distill.sample.Conversation;
import org.ingrain.distill.sample.PromptTemplate;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;

/**
 * The prompt of a step for one task, or for all tasks that have no variant of their own.
 *
 * @param task        the task that this variant is for. If null, this variant is for every task that has no variant of
 *                    its own in this step
 * @param prompt      text with placeholders: {question}, {previous} (the previous step's text), names of earlier steps,
 *                    fields of the task
 * @param samples     number of completions per prompt, unless the run sets another number
 * @param mark        source of the wording; null: not stated
 * @param temperature temperature of this step; null: the temperature of the run. In the same way, {@code topP},
 *                    {@code topK}, {@code maxTokens} and {@code stop} have the value of the run if they are null
 * @param system      system message of this step. It replaces the question's system message. An empty text: no system
 *                    message. Null: the question's system message, if it has one
 * @param messages    messages with placeholders before the prompt; null: none
 * @param exemplars   whether the exemplars of the task precede the prompt; null: only if the prompt is the bare
 *                    question
 */
public record Variant(String task, String prompt, int samples, Mark mark, Double temperature, Double topP, Integer topK,
                      Integer maxTokens, List<String> stop, String system, List<Conversation.Turn> messages,
                      Boolean exemplars) {
    private static final String BARE = "{question}";

    public Variant {
        if (prompt == null || prompt.isBlank()) {
            throw new InputException("prompt: missing, expected a text with {question}");
        }
        if (samples < 1) {
            throw new InputException("samples: " + samples + ", expected 1 or more");
        }
        mark = mark == null ? Mark.UNSTATED : mark;
        messages = messages == null ? null : List.copyOf(messages);
        SamplingParams.sampled(or(temperature, 0.0), or(topP, 1.0), or(maxTokens, 1), 0).withTopK(or(topK, 0))
                .withStop(or(stop, List.of()));
    }

    /** Names of the placeholders in the prompt and in the messages before the prompt. */
    Set<String> placeholders() {
        Set<String> names = new LinkedHashSet<>();
        before(List.of()).turns().forEach(turn -> names.addAll(turn.template().placeholders()));
        names.addAll(template().placeholders());
        return names;
    }

    PromptTemplate template() {
        return new PromptTemplate(prompt);
    }

    /** The messages before the prompt, for a task with these exemplars. */
    Conversation before(List<Message> ofTask) {
        boolean shown = exemplars == null ? prompt.strip().equals(BARE) : exemplars;
        return new Conversation(system, shown ? ofTask : List.of(), messages == null ? List.of() : messages);
    }

    /** A copy of the run's parameters, with the values that this variant sets. */
    SamplingParams params(SamplingParams run) {
        return run.withTemperature(or(temperature, run.temperature())).withTopP(or(topP, run.topP()))
                .withTopK(or(topK, run.topK()))
                .withMaxTokens(or(maxTokens, run.maxTokens())).withStop(or(stop, run.stop()));
    }

    private static <T> T or(T own, T otherwise) {
        return own == null ? otherwise : own;
    }
}
