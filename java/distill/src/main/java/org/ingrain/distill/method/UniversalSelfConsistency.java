package org.ingrain.distill.method;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.distill.run.JsonLines;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Sample;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Weights;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/**
 * Lets the model select the most consistent of its own responses, where answers are too free to be counted (arXiv:2311.17311).
 *
 * @param method whose responses
 */
public record UniversalSelfConsistency(Task task, Method method) {
    private static final Pattern SELECTION = Pattern.compile("(?i)\\bresponse\\s+#?(\\d+)");

    /** How the model is asked: the shipped prompt, greedy. */
    public Plan plan(SampleConfig config, Weights weights) {
        SampleConfig once = new SampleConfig(List.of(1), config.params(), config.seed());
        return Methods.universal().plan(task.name(), once, "select", weights);
    }

    /** For each example the question which of its responses it is; all of them in the order in which they were drawn. */
    public List<Example> questions(Path samples, List<Example> examples) {
        List<Example> questions = new ArrayList<>();
        Answers.each(samples, examples, (example, answers) -> {
            StringBuilder responses = new StringBuilder();
            List<Answers.Chain> chains = answers.chains(method.depth());
            for (int i = 0; i < chains.size(); i++) {
                responses.append(i == 0 ? "" : "\n\n").append("Response ").append(i).append(": ").append(method.lastWord(chains.get(i)).strip());
            }
            Map<String, String> fields = new LinkedHashMap<>(example.fields());
            fields.put("responses", responses.toString());
            questions.add(example.with(fields));
        });
        return questions;
    }

    /** Number of the selected response by example; an example of which none was selected is not in it. */
    public static Map<String, Integer> selections(Path file) {
        Map<String, Integer> selections = new LinkedHashMap<>();
        JsonLines.forEach(file, Sample.class, sample -> selected(sample.text()).ifPresent(number -> selections.put(sample.id(), number)));
        return selections;
    }

    /** The first response that is named. */
    static Optional<Integer> selected(String text) {
        Matcher found = SELECTION.matcher(text);
        return found.find() && found.group(1).length() < 6 ? Optional.of(Integer.valueOf(found.group(1))) : Optional.empty();
    }
}
