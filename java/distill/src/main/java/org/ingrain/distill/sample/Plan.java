package org.ingrain.distill.sample;

import java.util.ArrayList;
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
import org.ingrain.tensor.Require;

/**
 * The sampling plan of a method for one task: the prompt, the number of samples and the parameters of each step. It
 * defines a tree of completions for each example. Each text of the last sampled step is an answer. If the method
 * branches, a further step follows: it has one prompt for each part of such a text, and the resulting texts belong to
 * the same answer.
 *
 * @param steps    the steps in order; at least one
 * @param splitter splits a text of the last sampled step into parts; null if the method does not branch
 * @param seed     seed from which the seeds of all requests are derived
 * @param weights  the weights that generate the texts
 * @param thoughts marks that enclose thoughts; later prompts do not contain the thoughts
 */
public record Plan(List<PlannedStep> steps, Splitter splitter, long seed, ModelState weights, Thoughts thoughts) {
    /** Maximum number of answers per example. There is a limit because a poll counts the answers one by one. */
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
     * @param name    name of the step; in later prompts, {@code {name}} is replaced by the text of this step
     * @param prompt  template of the user message
     * @param samples number of completions per prompt
     * @param each    for the last step of a branching method, the placeholder that is replaced by a part of the
     *                previous text; else null
     * @param before  the messages before the user message
     */
    public record PlannedStep(String name, PromptTemplate prompt, int samples, SamplingParams params, String each,
            Conversation before) {
        /** The prompt and the messages before it as a text for readers, with placeholders. */
        public String words() {
            return before.words(prompt);
        }

        /** Maximum number of generated tokens. */
        public int maxTokens() {
            return params.maxTokens();
        }

        private PlannedStep with(int newSamples, SamplingParams newParams) {
            return new PlannedStep(name, prompt, newSamples, newParams, each, before);
        }
    }

    /**
     * A copy of this plan whose texts have at most {@code tokens} tokens. A text that is split into parts is an
     * exception: it may have four times as many tokens, because its length determines the number of parts.
     */
    public Plan cut(int tokens) {
        List<PlannedStep> shorter = new ArrayList<>();
        for (PlannedStep step : steps) {
            int most = splitter != null && shorter.size() == depth() - 1 ? 4 * tokens : tokens;
            shorter.add(step.with(step.samples(), step.params().withMaxTokens(
                    Math.min(most, step.params().maxTokens()))));
        }
        return new Plan(shorter, splitter, seed, weights, thoughts);
    }

    /** A copy of this plan with {@code samples} samples of each step. */
    public Plan samples(int samples) {
        return new Plan(steps.stream().map(step -> step.with(samples, step.params())).toList(), splitter, seed,
                weights, thoughts);
    }

    /** Maximum number of tokens of a text, over all steps. */
    public int longest() {
        return steps.stream().mapToInt(step -> step.params().maxTokens()).max().orElseThrow();
    }

    /** Number of sampled steps: all steps, or all but the last step if the method is a branching method. */
    public int depth() {
        return splitter == null ? steps.size() : steps.size() - 1;
    }

    /** Number of answers per example. */
    public int leaves() {
        return below(0);
    }

    /** Number of answers in the subtree of one completion at the given depth; depth 0 is the root of the tree. */
    int below(int depth) {
        return steps.subList(depth, depth()).stream().mapToInt(PlannedStep::samples).reduce(1, Math::multiplyExact);
    }

    /** The sample indices on the path of an answer, one for each sampled step. */
    int[] indices(int answer) {
        int[] indices = new int[depth()];
        for (int i = 0; i < indices.length; i++) {
            indices[i] = answer / below(i + 1) % steps.get(i).samples();
        }
        return indices;
    }

    /**
     * Returns the index of the answer with this path. The answers of an example are numbered from 0 in depth-first
     * order.
     *
     * @throws InputException if the plan has no such answer
     */
    public int number(String path) {
        int[] indices = new SampleKey("", path).indices();
        boolean known = indices.length == depth();
        for (int i = 0; known && i < indices.length; i++) {
            known = indices[i] < steps.get(i).samples();
        }
        if (!known) {
            throw new InputException("path " + path + " is not one of the method's answers, expected " + depth()
                    + " numbers below " + steps.stream().limit(depth()).map(PlannedStep::samples).toList());
        }
        return firstAnswer(new SampleKey("", path));
    }

    /**
     * Returns the index of the first answer in the subtree of a completion. If the completion is the text of a
     * branching method for one part, returns the index of the answer to which the text belongs.
     */
    int firstAnswer(SampleKey key) {
        int[] indices = key.indices();
        int first = 0;
        for (int i = 0; i < Math.min(indices.length, depth()); i++) {
            Require.that(indices[i] < steps.get(i).samples(), "path", key.path(), "a number below "
                    + steps.get(i).samples() + " for step " + (i + 1));
            first += indices[i] * below(i + 1);
        }
        return first;
    }

    /** The prompt of the first step for an example. */
    public List<Message> firstPrompt(Example example) {
        PlannedStep step = steps.getFirst();
        return step.before().messages(example, step.prompt(), example.values());
    }

    /**
     * The request for one completion.
     *
     * @param texts texts of the earlier steps, beginning with the first step
     * @param part  for the last step of a branching method, the part; else null
     */
    TextRequest request(SampleKey key, Example example, List<String> texts, String part) {
        PlannedStep step = steps.get(texts.size());
        Map<String, String> values = new LinkedHashMap<>(example.values());
        for (int i = 0; i < texts.size(); i++) {
            String text = thoughts.without(texts.get(i)).orElse("").strip();
            values.put(steps.get(i).name(), text);
            values.put("previous", text);
        }
        if (part != null) {
            values.put(step.each(), part);
            values.put(step.each() + "-name", splitter.name(part));
        }
        List<Message> messages = step.before().messages(example, step.prompt(), values);
        long own = Digest.seed(seed, example.id(), step.name(), key.parent().path());
        return new TextRequest(key, messages, step.params().withSeed(own), key.sample(), weights);
    }
}
