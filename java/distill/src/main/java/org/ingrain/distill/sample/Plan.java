package org.ingrain.distill.sample;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.task.Example;
import org.ingrain.files.Digest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;

/**
 * A method made ready for one task: what to ask at each step, how often, how. It spans a tree of completions for each
 * example. The texts of the last sampled step are the answers; where the method branches, the step after it asks once
 * for each part of such a text, and those texts belong to the answer.
 *
 * @param steps   from the first; at least one
 * @param splitter     splits the texts before the last step, or null where the last step is sampled as the others are
 * @param seed    of this use of the method
 * @param weights who is asked
 */
public record Plan(List<PlannedStep> steps, Splitter splitter, long seed, ModelState weights) {
    /** Answers of one example that are still counted one by one. */
    public static final int MOST_ANSWERS = 10_000;

    public Plan {
        steps = List.copyOf(steps);
        List<Integer> samples = steps.stream().map(PlannedStep::samples).toList();
        if (samples.stream().mapToDouble(Integer::doubleValue).reduce(1, (a, b) -> a * b) > MOST_ANSWERS) {
            throw InputException.field("samples", samples + " samples of each step, expected at most " + MOST_ANSWERS
                    + " answers to a question");
        }
    }

    /**
     * One step of a plan.
     *
     * @param name    later prompts hold this step's text as {@code {name}}
     * @param prompt  what the user says, with placeholders
     * @param samples completions of each prompt
     * @param each    placeholder of the part, for the step that asks once for each; else null
     */
    public record PlannedStep(String name, PromptTemplate prompt, int samples, SamplingParams params, String each) {
    }

    /** Steps whose texts are sampled: all but one that asks for each part. */
    public int depth() {
        return splitter == null ? steps.size() : steps.size() - 1;
    }

    /** Answers of each example. */
    public int leaves() {
        return below(0);
    }

    /** Answers below one completion at a depth, counted from 0 where nothing has been asked. */
    int below(int depth) {
        return steps.subList(depth, depth()).stream().mapToInt(PlannedStep::samples).reduce(1, Math::multiplyExact);
    }

    /** Sample indices of an answer, one for each sampled step. */
    int[] indices(int answer) {
        int[] indices = new int[depth()];
        for (int i = 0; i < indices.length; i++) {
            indices[i] = answer / below(i + 1) % steps.get(i).samples();
        }
        return indices;
    }

    /** Number of an answer among all of its example, by its path. */
    public int number(String path) {
        return firstAnswer(new SampleKey("", path));
    }

    /** Number of the first answer below a completion of a sampled step. */
    int firstAnswer(SampleKey key) {
        int[] indices = key.indices();
        int first = 0;
        for (int i = 0; i < Math.min(indices.length, depth()); i++) {
            first += indices[i] * below(i + 1);
        }
        return first;
    }

    /** What the first step's user message is: for a plan of one step, the whole prompt. */
    public List<Message> firstPrompt(Example example) {
        return List.of(Message.user(steps.getFirst().prompt().render(example.values())));
    }

    /**
     * The request for one completion.
     *
     * @param texts texts of the earlier steps on the way to it, from the first
     * @param part  what the step asks about, where it asks for each part; else null
     */
    TextRequest request(SampleKey key, Example example, List<String> texts, String part) {
        PlannedStep step = steps.get(texts.size());
        Map<String, String> values = new LinkedHashMap<>(example.values());
        for (int i = 0; i < texts.size(); i++) {
            values.put(steps.get(i).name(), texts.get(i).strip());
            values.put("previous", texts.get(i).strip());
        }
        if (part != null) {
            values.put(step.each(), part);
        }
        List<Message> messages = List.of(Message.user(step.prompt().render(values)));
        long own = Digest.seed(seed, example.id(), step.name(), key.parent().path());
        return new TextRequest(key, messages, step.params().withSeed(own), key.sample(), weights);
    }
}
