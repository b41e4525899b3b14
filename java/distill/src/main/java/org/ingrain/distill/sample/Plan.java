package org.ingrain.distill.sample;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.run.Digest;
import org.ingrain.distill.task.Example;
import org.ingrain.tokenizer.Message;

/**
 * A method made ready for one task: what to ask at each step, how often, how. It spans a tree of completions for each example; the
 * leaves are the final answers.
 *
 * @param steps   from the first; at least one
 * @param seed    of this use of the method
 * @param weights who is asked
 */
public record Plan(List<PlannedStep> steps, long seed, Weights weights) {
    public Plan {
        steps = List.copyOf(steps);
    }

    /**
     * One step of a plan.
     *
     * @param name    later prompts hold this step's text as {@code {name}}
     * @param prompt  what the user says, with placeholders
     * @param samples completions of each prompt
     */
    public record PlannedStep(String name, PromptTemplate prompt, int samples, SamplingParams params) {
    }

    /** Final answers for each example. */
    public int leaves() {
        return steps.stream().mapToInt(PlannedStep::samples).reduce(1, Math::multiplyExact);
    }

    /** Completions for each example, of all steps. */
    public long completions() {
        long all = 0;
        long level = 1;
        for (PlannedStep step : steps) {
            level = Math.multiplyExact(level, step.samples());
            all += level;
        }
        return all;
    }

    /** What the first step's user message is: for a plan of one step, the whole prompt. */
    public List<Message> firstPrompt(Example example) {
        return List.of(Message.user(steps.getFirst().prompt().render(Map.of("question", example.question()))));
    }

    /** Every completion of an example, in the order of its file: depth first, by sample index. */
    public List<Key> keys(String id) {
        List<Key> keys = new ArrayList<>();
        descend(new Key(id, ""), 0, keys);
        return keys;
    }

    private void descend(Key parent, int depth, List<Key> keys) {
        if (depth == steps.size()) {
            return;
        }
        for (int i = 0; i < steps.get(depth).samples(); i++) {
            Key key = parent.child(i);
            keys.add(key);
            descend(key, depth + 1, keys);
        }
    }

    boolean isLeaf(Key key) {
        return key.depth() == steps.size() - 1;
    }

    /**
     * The request for one completion.
     *
     * @param texts what the earlier steps on the way to it said, from the first
     */
    Request request(Key key, Example example, List<String> texts) {
        PlannedStep step = steps.get(texts.size());
        Map<String, String> values = new LinkedHashMap<>();
        values.put("question", example.question());
        for (int i = 0; i < texts.size(); i++) {
            values.put(steps.get(i).name(), texts.get(i).strip());
            values.put("previous", texts.get(i).strip());
        }
        List<Message> messages = List.of(Message.user(step.prompt().render(values)));
        long own = Digest.seed(seed, example.id(), step.name(), key.parent().path());
        return new Request(key, messages, step.params(), own, key.sample(), weights);
    }
}
