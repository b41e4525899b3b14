package org.ingrain.distill.task;

import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/**
 * Which questions, and which of them are held out for the evaluation.
 *
 * @param task          which kind of question
 * @param data          JSON array or JSON Lines of questions, or null to generate them
 * @param testData      a file of questions to evaluate on, or null to hold some of {@code data} out
 * @param limit         the first rows of {@code data} that are used, 0 for all
 * @param testSize      questions to evaluate on: held out of {@code data} (0: a fifth, or none where answers are not
 *                      known), or the first of {@code testData} (0: all); variants of one question are held out
 *                      together, so perhaps a few more or fewer
 * @param generate      questions to generate where there is no file
 * @param names         a file of names to generate from, one a line, or null for a list of our own
 * @param splitSeed     of what is held out and of what is generated
 * @param questionField field of the question, or null for the task's usual ones
 * @param answerField   field of the answer, or null for the task's usual ones
 */
public record QuestionConfig(TaskConfig task, Path data, Path testData, int limit, int testSize, int generate,
        Path names, long splitSeed, String questionField, String answerField) {
    public QuestionConfig {
        if ((data == null) == (generate == 0)) {
            throw InputException.field(data == null ? "data" : "generate", data == null
                    ? "none, expected a file of questions, or generate and how many" : generate
                    + " beside data, expected one of the two");
        }
        notNegative("limit", limit);
        notNegative("testSize", testSize);
        notNegative("generate", generate);
    }

    /** Questions from a file, everything else as usual. */
    public static QuestionConfig of(String task, Path data) {
        return new QuestionConfig(TaskConfig.of(task), data, null, 0, 0, 0, null, 1, null, null);
    }

    /** This with other sizes. */
    public QuestionConfig sizes(int newLimit, int newTestSize) {
        return new QuestionConfig(task, data, testData, newLimit, newTestSize, generate, names, splitSeed,
                questionField, answerField);
    }

    public Task makeTask() {
        return task.make();
    }

    private static void notNegative(String field, int value) {
        if (value < 0) {
            throw InputException.field(field, value + ", expected 0 or more");
        }
    }
}
