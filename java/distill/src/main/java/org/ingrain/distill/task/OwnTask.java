package org.ingrain.distill.task;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** A task that the user defines in a {@link TaskFile}. */
final class OwnTask implements Task {
    /** Field of an example that contains further right answers. */
    private static final String ALIASES = "aliases";
    private static final String SEPARATOR = "\u001f";

    private final TaskFile file;
    private final AnswerRule.Finder finder;

    OwnTask(TaskFile file) {
        this.file = file;
        finder = file.answer().finder();
    }

    @Override
    public String name() {
        return file.name();
    }

    @Override
    public String prompts() {
        return isChoice() ? new MultipleChoice().name() : name();
    }

    private boolean isChoice() {
        return file.answer().form() == AnswerRule.Form.LETTER;
    }

    @Override
    public List<String> questionFields() {
        return List.of("question");
    }

    @Override
    public List<String> answerFields() {
        return List.of(file.fields().gold());
    }

    @Override
    public List<String> fields() {
        return List.copyOf(file.fields().more().keySet());
    }

    @Override
    public Optional<String> system() {
        return Optional.ofNullable(file.system());
    }

    @Override
    public List<Message> exemplars() {
        return file.exemplars().stream().flatMap(exemplar -> Stream.of(Message.user(exemplar.question()),
                Message.assistant(exemplar.answer()))).toList();
    }

    @Override
    public List<Example> orders(Example example, int most) {
        return isChoice() ? new MultipleChoice().orders(example, most) : List.of(example);
    }

    @Override
    public boolean takesWholeText() {
        return file.answer().form() == AnswerRule.Form.TEXT;
    }

    @Override
    public String answerShape() {
        return file.answer().form().shape();
    }

    @Override
    public List<Example> examples(JsonNode row, String id, String where) {
        TaskFile.Fields names = file.fields();
        String own = QuestionReader.text(row, List.of(names.id()), where).orElse(id);
        ChatRow chat = file.question() == null && !row.has("question") && row.has(ChatRow.FIELD)
                ? ChatRow.of(row.path(ChatRow.FIELD), where) : null;
        String asked = chat != null ? chat.question() : new RowTemplate(
                file.question() == null ? "{question}" : file.question()).fill(row, where);
        List<String> options = options(row, where);
        Map<String, String> fields = new LinkedHashMap<>();
        names.more().forEach((placeholder, field) -> fields.put(placeholder, QuestionReader.text(row, List.of(field),
                where).orElseThrow(() -> new InputException(where + ": no " + field + ", expected the value of field "
                        + placeholder + "; " + QuestionReader.found(row)))));
        List<String> gold = new ArrayList<>();
        JsonNode value = row.path(names.gold());
        for (JsonNode each : value.isArray() ? value : List.of(value)) {
            if (each.isValueNode() && !each.isNull() && !each.asString().isBlank()) {
                gold.add(each.asString().strip());
            }
        }
        if (gold.isEmpty() && chat != null && chat.answer() != null) {
            gold.add(chat.answer().strip());
        }
        if (gold.size() > 1) {
            fields.put(ALIASES, String.join(SEPARATOR, gold.subList(1, gold.size())));
        }
        Example example = new Example(own, question(asked.strip(), options), null, fields,
                QuestionReader.text(row, List.of(names.category()), where).orElse(null), List.of())
                .within(chat == null ? List.of() : chat.before());
        return List.of(gold.isEmpty() ? example
                : example.withGold(gold(example, gold.getFirst(), options, where)));
    }

    private List<String> options(JsonNode row, String where) {
        List<String> names = file.fields().options();
        if (names.size() != 1) {
            return names.stream().map(name -> option(row.path(name), name, where)).toList();
        }
        List<String> options = new ArrayList<>();
        row.path(names.getFirst()).forEach(option -> options.add(option(option, names.getFirst(), where)));
        if (options.size() < 2 || options.size() > 26) {
            throw new InputException(where + ": " + names.getFirst() + ", expected a list of 2 to 26 options; "
                    + QuestionReader.found(row));
        }
        return options;
    }

    private static String option(JsonNode value, String name, String where) {
        if (!value.isValueNode() || value.isNull() || value.isMissingNode()) {
            throw new InputException(where + ": " + name + ", expected the text of an option");
        }
        return value.asString().strip().replaceAll("\\s*\\R\\s*", " ");
    }

    private static String question(String asked, List<String> options) {
        StringBuilder question = new StringBuilder(asked);
        for (int i = 0; i < options.size(); i++) {
            question.append(i == 0 ? "\n\n(" : "\n(").append((char) ('A' + i)).append(") ").append(options.get(i));
        }
        return question.toString();
    }

    /**
     * Converts the gold answer of a row to the form of {@link #extract}. If the task's rule finds an answer in
     * {@code text}, the result is this answer. If answers are letters, {@code text} may also be the text or the number
     * of an option; the result is then the letter of this option.
     */
    private String gold(Example example, String text, List<String> options, String where) {
        Integer first = file.fields().firstOption();
        if (first != null && text.matches("\\d{1,2}") && Integer.parseInt(text) - first < options.size()
                && Integer.parseInt(text) >= first) {
            return String.valueOf((char) ('A' + Integer.parseInt(text) - first));
        }
        if (options.contains(text)) {
            return String.valueOf((char) ('A' + options.indexOf(text)));
        }
        return switch (file.answer().form()) {
            case REGEX, JSON, TEXT -> finder.find(example, text).orElse(text);
            case LETTER, NUMBER, YES_NO -> finder.find(example, text).orElseThrow(() -> new InputException(where + ": "
                    + file.fields().gold() + " " + text + ", expected " + answerShape()));
        };
    }

    @Override
    public Optional<String> extract(Example example, String text) {
        return finder.find(example, text);
    }

    @Override
    public String rule() {
        return file.answer().rule();
    }

    @Override
    public Optional<String> gold(Example example) {
        return Optional.ofNullable(example.gold());
    }

    @Override
    public String key(String answer) {
        return file.equality().key(file.answer().key(answer));
    }

    @Override
    public boolean isRight(Example example, String answer) {
        String own = file.answer().key(answer);
        String aliases = example.fields().get(ALIASES);
        return Stream.concat(Stream.of(example.gold()), aliases == null ? Stream.of()
                : Stream.of(aliases.split(SEPARATOR)))
                .anyMatch(gold -> file.equality().isEqual(own, file.answer().key(gold)));
    }
}
