package org.ingrain.distill.task;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Similar;
import tools.jackson.databind.JsonNode;

/**
 * All tasks. A new task must be added here. The name of a task is the name of its constant in lower case, with hyphens.
 */
enum TaskKind {
    LAST_LETTER(config -> new LastLetter(size(config))),
    COIN_FLIP(config -> new CoinFlip(config.suffix(), size(config))),
    SYCOPHANCY(config -> new Sycophancy()),
    MULTIPLE_CHOICE(config -> new MultipleChoice()),
    PAIRWISE(config -> new Pairwise()),
    GSM8K(config -> new Gsm8k()),
    QUESTION_ANSWER(config -> new QuestionAnswer(config.answerFormat() == null
            ? AnswerFormat.TEXT : config.answerFormat()));

    static final List<String> NAMES = Arrays.stream(values()).map(TaskKind::word).toList();
    private static final int USUAL_SIZE = 2;

    private final Function<TaskConfig, Task> make;

    TaskKind(Function<TaskConfig, Task> make) {
        this.make = make;
    }

    /** @throws InputException if there is no task of this name */
    static TaskKind of(String name) {
        int number = NAMES.indexOf(name);
        if (number < 0) {
            throw InputException.field("task", name + ", expected one of " + String.join(", ", NAMES)
                    + " or the path of a task's JSON file" + Similar.hint(name, NAMES));
        }
        return values()[number];
    }

    /** Name of the first task other than {@code other} that, with its default settings, can read the row. */
    static Optional<String> reader(JsonNode row, Task other) {
        return NAMES.stream().map(name -> TaskConfig.of(name).make())
                .filter(task -> !task.name().equals(other.name()) && reads(task, row)).map(Task::name).findFirst();
    }

    private static boolean reads(Task task, JsonNode row) {
        try {
            return !task.examples(row, "", "").isEmpty() || task.questionFields().stream().anyMatch(row::has)
                    && task.fields().stream().allMatch(row::has);
        } catch (InputException refused) {
            return false;
        }
    }

    Task make(TaskConfig config) {
        return make.apply(config);
    }

    /** Whether the task can generate questions. Only such a task has the setting {@code size}. */
    boolean generates() {
        return this == LAST_LETTER || this == COIN_FLIP;
    }

    private String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static int size(TaskConfig config) {
        return config.size() == 0 ? USUAL_SIZE : config.size();
    }
}
