package org.ingrain.distill.task;

import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Settings of a task.
 *
 * @param name         one of {@link #names()}
 * @param answerFormat format of the answers, only for question-answer; null means text
 * @param suffix       text that is appended to each question, only for coin-flip
 * @param size         number of words (last-letter) or people (coin-flip) in a generated question; for last-letter it
 *                     also applies to questions that quote no words; 0 means 2
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

    /** The default settings of a task. */
    public static TaskConfig of(String name) {
        return new TaskConfig(name, null, null, 0);
    }

    public static List<String> names() {
        return TaskKind.NAMES;
    }

    public Task make() {
        return TaskKind.of(name).make(this);
    }
}
