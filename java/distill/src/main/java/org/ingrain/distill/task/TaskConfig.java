package org.ingrain.distill.task;

import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Settings of a task.
 *
 * @param name         one of {@link #names()}
 * @param answerFormat for question-answer, null for text
 * @param suffix       for coin-flip: text appended to each question
 * @param size         size of a generated question: words for last-letter (also for a question that quotes no words),
 *                     people for coin-flip; 0: two
 */
public record TaskConfig(String name, AnswerFormat answerFormat, String suffix, int size) {
    private static final int MOST = 16;

    public TaskConfig {
        suffix = suffix == null ? "" : suffix;
        TaskKind kind = TaskKind.of(name);
        if (answerFormat != null && kind != TaskKind.QUESTION_ANSWER) {
            throw InputException.field("answerFormat", "only for task question-answer; " + name + " has its own");
        }
        if (!suffix.isEmpty() && kind != TaskKind.COIN_FLIP) {
            throw InputException.field("suffix", "only for task coin-flip");
        }
        if (size != 0 && !kind.generates()) {
            throw InputException.field("size",
                    "only for tasks last-letter (words) and coin-flip (people), which can generate questions");
        }
        if (size < 0 || size > MOST) {
            throw InputException.field("size", size + ", expected 1 to " + MOST);
        }
    }

    /** A task with its default settings. */
    public static TaskConfig of(String name) {
        return new TaskConfig(name, null, null, 0);
    }

    /** Names of all tasks. */
    public static List<String> names() {
        return TaskKind.NAMES;
    }

    public Task make() {
        return TaskKind.of(name).make(this);
    }
}
