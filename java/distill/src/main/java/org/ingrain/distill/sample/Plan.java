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
 * The sampling plan of a method for one task: prompt, number of samples and parameters of each step. It defines a tree
 * of completions for each example. The texts of the last sampled step are the answers. If the method branches, a
 * further step asks once per part of such a text, and those texts belong to the answer.
 *
 * @param steps    the steps in order; at least one
 * @param splitter splits the texts before the last step into parts; null if the last step is sampled like the others
 * @param seed     seed of this use of the method
 * @param weights  the weights that answer
 */
public record Plan(List<PlannedStep> steps, Splitter splitter, long seed, ModelState weights) {
    /** Maximum number of answers per example: a poll counts them one by one. */
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
     * @param name    name of the step; {@code {name}} in later prompts stands for its text
     * @param prompt  the user's message, with placeholders
     * @param samples completions per prompt
     * @param each    for the step that asks once per part: the placeholder of the part; else null
     */
    public record PlannedStep(String name, PromptTemplate prompt, int samples, SamplingParams params, String each) {
    }

    /** Number of sampled steps: all steps except one that asks for each part. */
    public int depth() {
        return splitter == null ? steps.size() : steps.size() - 1;
    }

    /** Number of answers per example. */
    public int leaves() {
        return below(0);
    }

    /** Number of answers below one completion at a depth; depth 0 is the root of the tree. */
    int below(int depth) {
        return steps.subList(depth, depth()).stream().mapToInt(PlannedStep::samples).reduce(1, Math::multiplyExact);
    }

    /** Sample indices of an answer, one per sampled step. */
    int[] indices(int answer) {
        int[] indices = new int[depth()];
        for (int i = 0; i < indices.length; i++) {
            indices[i] = answer / below(i + 1) % steps.get(i).samples();
        }
        return indices;
    }

    /** Number of the answer with this path among all answers of its example. */
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

    /** The prompt of the first step; for a plan with one step, the whole prompt. */
    public List<Message> firstPrompt(Example example) {
        return List.of(Message.user(steps.getFirst().prompt().render(example.values())));
    }

    /**
     * The request for one completion.
     *
     * @param texts texts of the earlier steps, in order
     * @param part  for a step that asks once per part: the part; else null
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
