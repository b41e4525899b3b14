package org.ingrain.cli.flags;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.files.InputFile;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Option;

/** Flags for the questions of a task. */
@Heading.Under(Heading.DATA)
public final class QuestionFlags {
    @Option(names = "--task", required = true, paramLabel = "NAME", completionCandidates = Candidates.Tasks.class,
            description = "Task: ${COMPLETION-CANDIDATES}, or a JSON file with your own task.")
    String task;

    @Option(names = "--data", paramLabel = "FILE",
            description = "Questions: a JSON array, JSON Lines, CSV (all also gzipped) or Parquet. "
            + "Only the evaluation needs their answers.")
    Path data;

    @Option(names = "--system", paramLabel = "TEXT",
            description = "System message before each prompt in sampling, training and evaluation; '' for none "
            + "(default: that of the row or of the task).")
    String system;

    @Option(names = "--limit", defaultValue = "0", paramLabel = "N",
            description = "Use only the first N questions of --data; 0 means all (default: ${DEFAULT-VALUE}).")
    int limit;

    @Option(names = "--generate", defaultValue = "0", paramLabel = "N",
            description = "Generate N questions instead of reading --data.")
    int generate;

    @Option(names = "--names", paramLabel = "FILE",
            description = "With --generate: names to use, one per line; last-letter uses each "
            + "name in one question only (default: a built-in list).")
    Path names;

    @Option(names = "--split-seed", defaultValue = "1", paramLabel = "S",
            description = "Seed of the held-out split and of --generate (default: ${DEFAULT-VALUE}).")
    long splitSeed;

    @Option(names = "--question-field", paramLabel = "NAME",
            description = "Field of the question (default: the fields that the task knows).")
    String questionField;

    @Option(names = "--answer-field", paramLabel = "NAME",
            description = "Field of the answer (default: the fields that the task knows).")
    String answerField;

    @Option(names = "--answer-format", paramLabel = "NAME",
            description = "For question-answer: text, yes-no or number (default: text).")
    String answerFormat;

    @Option(names = "--suffix", paramLabel = "TEXT",
            description = "For coin-flip: text appended to each question, such as \"Flip means reverse.\"")
    String suffix;

    @Option(names = "--size", defaultValue = "0", paramLabel = "N",
            description = "With --generate: words (last-letter) or people (coin-flip) per question. last-letter "
            + "also needs this number for questions that quote no words (default: 2).")
    int size;

    @Heading.Under(Heading.EVALUATION)
    @Option(names = "--test-orders", paramLabel = "N",
            description = "Number of orders of the options in which each held-out question is asked (default: 2 for "
            + "pairwise, 1 for the others).")
    Integer testOrders;

    public int testOrders() {
        return testOrders != null ? testOrders : config().make().usualTestOrders();
    }

    /**
     * @param testData files of held-out questions; instead of a pipe, the caller passes a regular file with its content
     */
    public QuestionConfig config(List<Path> testData, int testSize) {
        requireUse();
        data = InputFile.rereadable(data);
        names = InputFile.rereadable(names);
        return new QuestionConfig(config(), data, testData, limit, testSize, generate, names, splitSeed, questionField,
                answerField);
    }

    private TaskConfig config() {
        AnswerFormat format = answerFormat == null ? null : Words.choose(
                "--answer-format", answerFormat, AnswerFormat.class);
        return TaskConfig.of(task, format, suffix, size, system);
    }

    /**
     * Throws an InputException if a flag for generated questions is given with --data, or if --limit is given without
     * --data.
     */
    private void requireUse() {
        if (data != null && (names != null || size != 0)) {
            throw new InputException((names != null ? "--names: " + names : "--size: " + size)
                    + " with --data, expected --generate: the flag applies to generated questions only");
        }
        if (data == null && limit != 0) {
            throw new InputException("--limit: " + limit
                    + " without --data, expected --generate to give the number of questions");
        }
    }
}
