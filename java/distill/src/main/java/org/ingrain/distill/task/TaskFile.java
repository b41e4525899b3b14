package org.ingrain.distill.task;

import com.fasterxml.jackson.annotation.JsonFormat;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;

/**
 * The JSON file in which a user defines a task.
 *
 * @param name      name of the task in tables, and in methods that have a prompt for this task
 * @param question  the question as a {@link RowTemplate} over the fields of a row; null: the field {@code question} or,
 *                  if the row has none, its {@code messages}
 * @param fields    names of the other fields of a row; null: the default names
 * @param system    system message before each prompt; null: none
 * @param exemplars examples of questions with answers. They precede each prompt that consists of the question alone;
 *                  null: none
 * @param answer    rule that finds the answer in a text; null: the whole text is the answer
 * @param equality  rule that compares answers; null: answers are equal if they differ only in case
 */
public record TaskFile(String name, String question, Fields fields, String system, List<Exemplar> exemplars,
        AnswerRule answer, Equality equality) {
    /**
     * Names of a row's fields.
     *
     * @param id       the id; null: {@code id}
     * @param gold     the right answer, or the list of right answers; null: {@code answer}
     * @param category the category; null: {@code category}
     * @param options  one field with the list of options, or one field for each option. The answers are then letters,
     *                 and the options are appended to the question as {@code (A) ...}. Null: no options are appended
     * @param firstOption the number of the first option, such as 0 or 1. The gold answer is then the number of an
     *                 option. Null: the gold answer is the letter or the text of the option
     * @param more     names of further fields in the row, each by the name that methods and verifiers use for the
     *                 field; null: none
     */
    record Fields(String id, String gold, String category,
            @JsonFormat(with = JsonFormat.Feature.ACCEPT_SINGLE_VALUE_AS_ARRAY) List<String> options,
            Integer firstOption, Map<String, String> more) {
        Fields {
            id = id == null ? "id" : id;
            gold = gold == null ? "answer" : gold;
            category = category == null ? "category" : category;
            options = options == null ? List.of() : List.copyOf(options);
            more = more == null ? Map.of() : more;
            more.forEach((placeholder, field) -> {
                if (field == null) {
                    throw new InputException("fields.more." + placeholder + ": null, expected the name of a field");
                }
                if (!placeholder.matches("[a-z][a-z0-9-]*") || placeholder.equals("question")
                        || placeholder.equals("previous")) {
                    throw new InputException("fields.more: " + placeholder
                            + ", expected small letters, digits and hyphens, not question or previous");
                }
            });
        }
    }

    /** A question with its answer. */
    record Exemplar(String question, String answer) {
        Exemplar {
            if (question == null || answer == null) {
                throw new InputException("exemplars: one has no question or no answer, expected both in each");
            }
        }
    }

    public TaskFile {
        if (name == null || !name.matches("[a-z0-9][a-z0-9-]*") || TaskKind.NAMES.contains(name)) {
            throw new InputException("name: " + name + ", expected small letters, digits and hyphens, and none of "
                    + String.join(", ", TaskKind.NAMES));
        }
        fields = fields == null ? new Fields(null, null, null, null, null, null) : fields;
        exemplars = exemplars == null ? List.of() : List.copyOf(exemplars);
        answer = answer == null ? AnswerRule.text() : answer;
        equality = equality == null ? new Equality(null, null, null, null) : equality;
        if (answer.form() != AnswerRule.Form.LETTER && (!fields.options().isEmpty() || fields.firstOption() != null)) {
            throw new InputException("fields.options: expected none unless the answers have the form letter");
        }
    }

    static TaskFile read(Path file) {
        return Json.parse(DurableFile.read(file), TaskFile.class, file.toString());
    }
}
