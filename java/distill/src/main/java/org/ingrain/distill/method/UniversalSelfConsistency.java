package org.ingrain.distill.method;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;

/**
 * Lets the model select the most consistent of its own responses (arXiv:2311.17311). If the user gives a prompt, the
 * model can select by another criterion. This method is for free-form answers, which cannot be counted as votes.
 *
 * @param method   the method that generated the responses
 * @param selector the method whose single step asks for the selection; null: the method with the prompt of the paper
 */
public record UniversalSelfConsistency(Task task, Method method, Method selector) {
    private static final Set<String> FIELDS = Set.of("question", "responses");

    private static final String NUMBER = "[^\\w\\n]*(?:response\\b)?[^\\w\\n]*(\\d{1,5})\\b";
    /** The phrase with which the model states its selection; the prompt of the paper demands this phrase. */
    private static final Pattern SELECTION = Pattern.compile("(?i)\\bmost consistent response is" + NUMBER);
    private static final Pattern MENTION = Pattern.compile("(?i)\\bresponse[^\\w\\n]{0,6}(\\d{1,5})\\b");

    /**
     * The model's selection for one example.
     *
     * @param number number of the selected response, from 0; empty if the model's text has no number
     * @param fits   whether the responses fit into the model's context; if not, the model was not asked
     */
    public record Selection(Optional<Integer> number, boolean fits) {
        /** A selection without a number, for an example for which there is no selection. */
        public static final Selection NONE = new Selection(Optional.empty(), true);
    }

    public UniversalSelfConsistency {
        if (selector != null) {
            Set<String> placeholders = selector.steps().getFirst().variant(task.prompts()).placeholders();
            Set<String> known = new TreeSet<>(FIELDS);
            known.addAll(task.fields());
            if (selector.steps().size() != 1 || !placeholders.contains("responses")
                    || !known.containsAll(placeholders)) {
                throw InputException.field("selector", selector.name() + ", expected one step whose prompt has "
                        + "{responses}, and no placeholders but " + String.join(", ", known));
            }
        }
    }

    /** Sampling plan with one sample per question; the prompt of the paper is sampled greedily. */
    public Plan plan(SampleConfig config, ModelState weights) {
        return (selector == null ? Methods.universal() : selector).unchecked(task, config.once(), "select", weights);
    }

    /**
     * Makes one question for each example. The question lists all responses in ascending order of their sample paths
     * and asks the model to select one response.
     */
    public List<Example> questions(Path samples, List<Example> examples) {
        List<Example> questions = new ArrayList<>();
        Answers.forEach(samples, examples, (example, answers) -> {
            StringBuilder responses = new StringBuilder();
            List<Answers.Chain> chains = answers.chains(method.depth());
            for (int i = 0; i < chains.size(); i++) {
                responses.append(i == 0 ? "" : "\n\n").append("Response ").append(i).append(": ")
                        .append(method.withoutThoughts(method.lastWord(chains.get(i))).orElse("").strip());
            }
            Map<String, String> fields = new LinkedHashMap<>(example.fields());
            fields.put("responses", responses.toString());
            questions.add(example.with(fields));
        });
        return questions;
    }

    /** Reads the selections from a file of completions; the keys are example ids. */
    public static Map<String, Selection> selections(Path file) {
        Map<String, Selection> selections = new LinkedHashMap<>();
        JsonLines.forEach(file, SampleRecord.class, sample -> selections.put(sample.id(),
                new Selection(selected(sample.text()), sample.finish() != Finish.PROMPT_TOO_LONG)));
        return selections;
    }

    /**
     * Returns the number of the response that a text selects, which is the number after the first {@link #SELECTION}
     * phrase. If there is no such phrase, returns the last response number in the text.
     */
    static Optional<Integer> selected(String text) {
        String said = Methods.universal().withoutThoughts(text).orElse("");
        return SELECTION.matcher(said).results().map(found -> found.group(1)).findFirst()
                .or(() -> MENTION.matcher(said).results().map(found -> found.group(1))
                .reduce((first, second) -> second)).map(Integer::valueOf);
    }
}
