package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Settings that select the questions of a run and hold out some of them for the evaluation.
 *
 * @param task          settings of the task
 * @param data          file of questions (JSON array, JSON Lines, CSV or Parquet); null to generate questions
 * @param testData      files of questions to evaluate on; there are also results for each file. If empty, some
 *                      questions of {@code data} are held out
 * @param limit         number of questions to read from the beginning of {@code data}. If a row has several questions,
 *                      all of them are used. 0: all questions
 * @param testSize      number of questions to evaluate on. If {@code testData} is empty, this number of questions of
 *                      {@code data} is held out; 0: a fifth, or none if a gold answer is missing. Variants of one
 *                      question are held out together, so the number may differ slightly. If {@code testData} is not
 *                      empty, this number of questions is read from the beginning of each file; 0: all questions
 * @param generate      number of questions to generate; 0 if {@code data} is set
 * @param names         file of names for generated questions, with one name per line; null: a built-in list
 * @param splitSeed     seed of the split and of the generated questions
 * @param questionField name of the field with the question; null: the names in {@link Task#questionFields()}
 * @param answerField   name of the field with the answer; null: the names in {@link Task#answerFields()}
 */
public record QuestionConfig(TaskConfig task, Path data, List<Path> testData, int limit, int testSize, int generate,
        Path names, long splitSeed, String questionField, String answerField) {
    public QuestionConfig {
        testData = testData == null ? List.of() : List.copyOf(testData);
        if ((data == null) == (generate == 0)) {
            throw InputException.field(data == null ? "data" : "generate", data == null
                    ? "none, expected a file of questions, or a number of questions to generate" : generate
                    + " with data, expected only one of the two");
        }
        notNegative("limit", limit);
        notNegative("testSize", testSize);
        notNegative("generate", generate);
    }

    /** Default settings for questions from a file. */
    public static QuestionConfig of(String task, Path data) {
        return new QuestionConfig(TaskConfig.of(task), data, null, 0, 0, 0, null, 1, null, null);
    }

    /** A copy of these settings with another {@code limit} and {@code testSize}. */
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
