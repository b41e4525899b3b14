package org.ingrain.distill.task;

import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/**
 * The questions of a run, and which of them are held out for the evaluation.
 *
 * @param task          kind of question
 * @param data          file of questions (JSON array, JSON Lines or Parquet), or null to generate them
 * @param testData      file of questions to evaluate on, or null to hold questions of {@code data} out
 * @param limit         number of rows of {@code data} to use, from the first; 0: all
 * @param testSize      number of questions to evaluate on: held out of {@code data} (0: a fifth, or none if answers are
 *                      missing), or the first ones of {@code testData} (0: all). Variants of one question are held out
 *                      together, which may change the number slightly
 * @param generate      number of questions to generate, if there is no file
 * @param names         file of names to generate questions from, one per line; null: a built-in list
 * @param splitSeed     seed of the split and of the generated questions
 * @param questionField field of the question; null: the fields that the task knows
 * @param answerField   field of the answer; null: the fields that the task knows
 */
public record QuestionConfig(TaskConfig task, Path data, Path testData, int limit, int testSize, int generate,
        Path names, long splitSeed, String questionField, String answerField) {
    public QuestionConfig {
        if ((data == null) == (generate == 0)) {
            throw InputException.field(data == null ? "data" : "generate", data == null
                    ? "none, expected a file of questions, or generate with a number" : generate
                    + " with data, expected one of the two");
        }
        notNegative("limit", limit);
        notNegative("testSize", testSize);
        notNegative("generate", generate);
    }

    /** Questions from a file, with default settings. */
    public static QuestionConfig of(String task, Path data) {
        return new QuestionConfig(TaskConfig.of(task), data, null, 0, 0, 0, null, 1, null, null);
    }

    /** These settings with other sizes. */
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
