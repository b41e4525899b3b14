package org.ingrain.distill.method;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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

/**
 * Lets the model select the most consistent of its own responses, for free-form answers that cannot be counted as votes
 * (arXiv:2311.17311).
 *
 * @param method the method that gave the responses
 */
public record UniversalSelfConsistency(Task task, Method method) {
    private static final String NUMBER = "[^\\w\\n]*(?:response\\b)?[^\\w\\n]*(\\d{1,5})\\b";
    /** The phrase that the prompt asks for. */
    private static final Pattern SELECTION = Pattern.compile("(?i)\\bmost consistent response is" + NUMBER);
    private static final Pattern MENTION = Pattern.compile("(?i)\\bresponse[^\\w\\n]{0,6}(\\d{1,5})\\b");

    /**
     * The model's selection.
     *
     * @param number number of the selected response, or empty
     * @param fits   whether the responses fit into the model's context; if not, the model was not asked
     */
    public record Selection(Optional<Integer> number, boolean fits) {
        /** No selection, because the model was not asked. */
        public static final Selection NONE = new Selection(Optional.empty(), true);
    }

    /** Sampling plan: the shipped prompt, greedy. */
    public Plan plan(SampleConfig config, ModelState weights) {
        SampleConfig once = new SampleConfig(List.of(1), config.params());
        return Methods.universal().plan(task.name(), once, "select", weights);
    }

    /**
     * One question per example: it lists all responses in the order of their samples and asks which one to select.
     */
    public List<Example> questions(Path samples, List<Example> examples) {
        List<Example> questions = new ArrayList<>();
        Answers.forEach(samples, examples, (example, answers) -> {
            StringBuilder responses = new StringBuilder();
            List<Answers.Chain> chains = answers.chains(method.depth());
            for (int i = 0; i < chains.size(); i++) {
                responses.append(i == 0 ? "" : "\n\n").append("Response ").append(i).append(": ")
                        .append(method.lastWord(chains.get(i)).strip());
            }
            Map<String, String> fields = new LinkedHashMap<>(example.fields());
            fields.put("responses", responses.toString());
            questions.add(example.with(fields));
        });
        return questions;
    }

    /** The selections by example id. */
    public static Map<String, Selection> selections(Path file) {
        Map<String, Selection> selections = new LinkedHashMap<>();
        JsonLines.forEach(file, SampleRecord.class, sample -> selections.put(sample.id(),
                new Selection(selected(sample.text()), sample.finish() != Finish.PROMPT_TOO_LONG)));
        return selections;
    }

    /** The response that the text calls the most consistent; without such a phrase, the last response it names. */
    static Optional<Integer> selected(String text) {
        return SELECTION.matcher(text).results().map(found -> found.group(1)).findFirst()
                .or(() -> MENTION.matcher(text).results().map(found -> found.group(1))
                .reduce((first, second) -> second)).map(Integer::valueOf);
    }
}
