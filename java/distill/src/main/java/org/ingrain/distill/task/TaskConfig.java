package org.ingrain.distill.task;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Settings of a task.
 *
 * @param name         one of {@link #names()}, or the name of {@code own}
 * @param answerFormat format of the answers, only for task {@code question-answer}; null means text
 * @param suffix       text that is appended to each question, only for task {@code coin-flip}
 * @param size         number of words (task {@code last-letter}) or people (task {@code coin-flip}) in a generated
 *                     question. In task {@code last-letter}, a question that quotes no words counts as one with this
 *                     number of words. 0 means 2
 * @param system       system message before each prompt. An empty text: no system message. Null: the row's system
 *                     message or, if the row has none, the task's system message
 * @param own          a user's own task; null for a built-in task
 */
public record TaskConfig(String name, AnswerFormat answerFormat, String suffix, int size, String system,
        TaskFile own) {
    private static final int MOST = 16;

    public TaskConfig {
        suffix = suffix == null ? "" : suffix;
        TaskKind kind = own == null ? TaskKind.of(name) : null;
        if (answerFormat != null && kind != TaskKind.QUESTION_ANSWER) {
            throw InputException.field("answerFormat", "only for task question-answer; " + name + " has its own");
        }
        if (!suffix.isEmpty() && kind != TaskKind.COIN_FLIP) {
            throw InputException.field("suffix", "only for task coin-flip");
        }
        if (size != 0 && (kind == null || !kind.generates())) {
            throw InputException.field("size",
                    "only for tasks last-letter (words) and coin-flip (people), which can generate questions");
        }
        if (size < 0 || size > MOST) {
            throw InputException.field("size", size + ", expected 1 to " + MOST);
        }
    }

    /** Settings of a built-in task, without a system message. */
    public TaskConfig(String name, AnswerFormat answerFormat, String suffix, int size) {
        this(name, answerFormat, suffix, size, null, null);
    }

    /** The default settings of a built-in task. */
    public static TaskConfig of(String name) {
        return new TaskConfig(name, null, null, 0);
    }

    /**
     * Settings of a built-in task, given by its name, or of the user's own task, given by the path of its file.
     *
     * @throws InputException if there is no such task or file, or the file has no valid task
     */
    public static TaskConfig of(String nameOrFile, AnswerFormat answerFormat, String suffix, int size, String system) {
        Path file = Path.of(nameOrFile);
        TaskFile own = TaskKind.NAMES.contains(nameOrFile) || !Files.isRegularFile(file) ? null : TaskFile.read(file);
        return new TaskConfig(own == null ? nameOrFile : own.name(), answerFormat, suffix, size, system, own);
    }

    public static List<String> names() {
        return TaskKind.NAMES;
    }

    public Task make() {
        return own == null ? TaskKind.of(name).make(this) : new OwnTask(own);
    }
}
