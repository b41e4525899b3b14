package org.ingrain.distill.method;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.ingrain.distill.run.Digest;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Weights;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.tensor.InputException;

/**
 * A way to answer, as data: prompts one after another, each sampled, and where the answer stands in the last text. One step that is
 * the bare question is System 1; more words or more steps are System 2.
 *
 * @param name        as on the command line
 * @param title       as in tables
 * @param source      the paper that it is taken from
 * @param steps       in order; at least one
 * @param answerAfter the answer is looked for behind the last occurrence of this phrase; null: in the whole text
 */
public record Method(String name, String title, String source, List<Step> steps, String answerAfter) {
    public Method {
        if (name == null || !name.matches("[a-z0-9][a-z0-9-]*")) {
            throw new InputException("name: " + name + ", expected small letters, digits and hyphens");
        }
        if (title == null || title.isBlank()) {
            throw new InputException("title: missing");
        }
        if (steps == null || steps.isEmpty()) {
            throw new InputException("steps: none, expected at least one");
        }
        steps = List.copyOf(steps);
        Set<String> known = new HashSet<>(Set.of("question"));
        for (Step step : steps) {
            for (Variant variant : step.variants()) {
                for (String placeholder : variant.template().placeholders()) {
                    if (!known.contains(placeholder)) {
                        throw new InputException("step " + step.name() + ": {" + placeholder
                                + "} in the prompt, expected {question}, {previous} or an earlier step's name");
                    }
                }
            }
            if (!known.add(step.name())) {
                throw new InputException("steps: two are named " + step.name());
            }
            known.add("previous");
        }
    }

    /**
     * Makes the method ready for a task.
     *
     * @param purpose keeps the random numbers of different uses of the same method apart
     */
    public Plan plan(String task, SampleConfig config, String purpose, Weights weights) {
        if (config.samples().size() > steps.size()) {
            throw new InputException("samples: " + config.samples().size() + " numbers, but method " + name + " has " + steps.size()
                    + (steps.size() == 1 ? " step" : " steps"));
        }
        List<Plan.PlannedStep> planned = new ArrayList<>();
        for (int i = 0; i < steps.size(); i++) {
            Variant variant = steps.get(i).variant(task);
            int samples = config.samples().isEmpty() ? variant.samples() : i < config.samples().size() ? config.samples().get(i) : 1;
            planned.add(new Plan.PlannedStep(steps.get(i).name(), variant.template(), samples, variant.params(config.params())));
        }
        return new Plan(planned, Digest.seed(config.seed(), purpose, name, task), weights);
    }

    /** The answer that a last step's text gives. */
    public Optional<String> extract(Task task, Example example, String text) {
        if (answerAfter == null) {
            return task.extract(example, text);
        }
        int at = text.lastIndexOf(answerAfter);
        return at < 0 ? Optional.empty() : task.extract(example, text.substring(at + answerAfter.length()));
    }

    /** How sure the wording of each step is for a task, in order. */
    public List<Mark> marks(String task) {
        return steps.stream().map(step -> step.variant(task).mark()).toList();
    }
}
