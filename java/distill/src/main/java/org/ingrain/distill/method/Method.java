package org.ingrain.distill.method;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Thoughts;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.files.Digest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * A method of answering questions. It is defined in a JSON file: a sequence of steps, each with a prompt, and a rule
 * that finds the answer in the last text. One step with the bare question is System 1; longer prompts or more steps are
 * System 2. If the method branches, its last step has one prompt for each part of the previous step's text, and
 * {@link Branching} merges the resulting texts into one answer.
 *
 * @param name        name of the method on the command line
 * @param title       title of the method in tables
 * @param source      the paper that describes the method
 * @param steps       the steps in order; at least one
 * @param answerAfter phrase that introduces the answer; case is ignored. The answer is searched only from the last
 *                    occurrence of the phrase to the end of the text; null: in the whole text
 * @param aloud       whether the last text contains the reasoning in addition to the answer
 * @param branching   merges the texts of the last step into one answer; null if each of these texts is an answer
 * @param thoughts    marks that enclose the thoughts of a reasoning model; null: {@link Thoughts#USUAL}
 */
public record Method(String name, String title, String source, List<MethodStep> steps, String answerAfter,
        boolean aloud, Branching branching, Thoughts thoughts) {

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
        Set<String> known = new HashSet<>();
        for (MethodStep step : steps) {
            if (!known.add(step.name())) {
                throw new InputException("steps: two are named " + step.name());
            }
            boolean parted = branching != null && steps.size() > 1 && step == steps.getLast();
            if ((step.each() != null) != parted) {
                throw new InputException("step " + step.name() + ": each " + step.each() + ", expected "
                        + (parted
                                ? "the name of a part's placeholder, because the last step of a branching method has "
                                + "one prompt for each part"
                        : "none, because this is not the last step of a branching method"));
            }
        }
        if (branching != null && steps.size() < 2) {
            throw new InputException("branching: the method has one step, expected at least two");
        }
    }

    /** A method with the default marks for thoughts. */
    public Method(String name, String title, String source, List<MethodStep> steps, String answerAfter, boolean aloud,
            Branching branching) {
        this(name, title, source, steps, answerAfter, aloud, branching, null);
    }

    /** The text without its thoughts; empty if the end mark of the thoughts is missing. */
    public Optional<String> withoutThoughts(String text) {
        return marked().without(text);
    }

    private Thoughts marked() {
        return thoughts == null ? Thoughts.USUAL : thoughts;
    }

    /** Throws an InputException if a prompt has a placeholder that the task does not fill. */
    private void requireFilled(Task task) {
        Set<String> own = new TreeSet<>(task.fields());
        own.addAll(task.traits("").keySet());
        Set<String> known = new HashSet<>(own);
        known.add("question");
        for (MethodStep step : steps) {
            if (step.each() != null) {
                known.add(step.each());
                known.add(step.each() + "-name");
            }
            for (String placeholder : step.variant(task.prompts()).placeholders()) {
                if (!known.contains(placeholder)) {
                    throw new InputException("method " + name + ", step " + step.name() + ": {" + placeholder
                            + "} in the prompt for task " + task.prompts()
                            + ", expected {question}, {previous}, an earlier step's name"
                            + (own.isEmpty() ? "" : " or one of " + String.join(", ", own)));
                }
            }
            known.add(step.name());
            known.add("previous");
        }
    }

    /**
     * The sampling plan of this method for a task.
     *
     * @param purpose text that is hashed into the seed, so that different uses of the same method have different random
     *                numbers
     * @throws InputException if the task does not fill a placeholder, {@code config} has more numbers of samples than
     *         there are sampled steps, or a step has several samples at temperature 0
     */
    public Plan plan(Task task, SampleConfig config, String purpose, ModelState weights) {
        requireFilled(task);
        return unchecked(task, config, purpose, weights);
    }

    /**
     * Makes the same plan as {@link #plan}, but does not check that the task fills all placeholders. The examples must
     * have values for all placeholders.
     */
    Plan unchecked(Task task, SampleConfig config, String purpose, ModelState weights) {
        if (config.samples().size() > depth()) {
            throw InputException.field("samples", config.samples().size() + " numbers, but method " + name + " has "
                    + depth()
                    + (depth() == 1 ? " step that is sampled" : " steps that are sampled"));
        }
        List<Plan.PlannedStep> planned = new ArrayList<>();
        for (int i = 0; i < steps.size(); i++) {
            Variant variant = steps.get(i).variant(task.prompts());
            int samples = config.samples().isEmpty() ? variant.samples() : i < config.samples().size()
                    ? config.samples().get(i) : 1;
            SamplingParams params = variant.params(config.params());
            if (samples > 1 && params.temperature() == 0) {
                throw InputException.field("samples", samples + " samples of step " + steps.get(i).name() + ", method "
                        + name + ", at "
                        + (variant.temperature() == null ? "temperature 0, expected 1 or a higher temperature"
                        : "its own temperature 0, expected 1") + ": greedy samples are all the same");
            }
            planned.add(new Plan.PlannedStep(steps.get(i).name(), variant.template(), samples, params,
                    steps.get(i).each(), variant.before(task.exemplars())));
        }
        return new Plan(planned, branching, Digest.seed(config.params().seed(), purpose, name, task.name()), weights,
                marked());
    }

    /** Number of sampled steps. All steps are sampled, except the last step of a branching method. */
    public int depth() {
        return branching == null ? steps.size() : steps.size() - 1;
    }

    /**
     * Returns the text that contains the answer. If the method does not branch, it is the text of the last step. If the
     * method branches, {@link Branching} merges the texts for the parts into one text, which is returned. The result is
     * empty if these texts cannot be merged.
     */
    public String lastWord(Answers.Chain chain) {
        return branching == null ? chain.text() : branching.merge(
                chain.parts().stream().map(part -> withoutThoughts(part.text()).orElse("")).toList()).orElse("");
    }

    /**
     * Checks that the bare answer, which is the training target, does not contain the reasoning. Otherwise the student
     * would be trained to generate the reasoning.
     *
     * @throws InputException if the task takes the whole text as the answer, and the text contains the reasoning
     */
    public void requireAnswer(Task task) {
        if (aloud && answerAfter == null && task.takesWholeText()) {
            throw InputException.field("method", name + " includes the reasoning in its text, and the answer of task "
                    + task.name() + " is the whole text; expected a method with answerAfter, or another task or answer "
                    + "format");
        }
    }

    /**
     * Finds the answer in the last text without its thoughts. If the phrase {@code answerAfter} is not null, the task
     * gets only the part of the text that begins with this phrase. A task that takes the whole text as the answer gets
     * only the part after the phrase. Returns empty if the text contains no answer or does not contain the phrase.
     */
    public Optional<String> extract(Task task, Example example, String text) {
        return withoutThoughts(text).flatMap(said -> extractSaid(task, example, said));
    }

    private Optional<String> extractSaid(Task task, Example example, String text) {
        if (answerAfter == null) {
            return task.extract(example, text);
        }
        int at = answerAt(text);
        if (at < 0) {
            return Optional.empty();
        }
        return task.extract(example, task.takesWholeText()
                ? text.substring(at + answerAfter.length()).replaceFirst("^[\\s:]+", "")
                : text.substring(at));
    }

    /**
     * Start of the last occurrence of {@link #answerAfter}, which must not be null; -1 if the text does not contain it.
     */
    public int answerAt(String text) {
        return Pattern.compile(answerAfter, Pattern.LITERAL | Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE)
                .matcher(text).results()
                .map(MatchResult::start).reduce((first, second) -> second).orElse(-1);
    }

    /** The source of the wording of each step's prompt for this task. */
    public List<Mark> marks(Task task) {
        return steps.stream().map(step -> step.variant(task.prompts()).mark()).toList();
    }
}
