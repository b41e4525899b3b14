package org.ingrain.cli.flags;

import java.nio.file.Path;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Option;

/** Which questions. */
public final class QuestionFlags {
    @Option(names = "--task", required = true, paramLabel = "NAME", completionCandidates = Candidates.Tasks.class,
            description = "One of ${COMPLETION-CANDIDATES}.")
    String task;

    @Option(names = "--data", paramLabel = "FILE",
            description = "Questions: a JSON array or JSON Lines, also gzipped, or Parquet; "
            + "answers are needed only to evaluate.")
    Path data;

    @Option(names = "--limit", defaultValue = "0", paramLabel = "N",
            description = "The first rows of --data alone; 0 for all (the default).")
    int limit;

    @Option(names = "--generate", defaultValue = "0", paramLabel = "N",
            description = "Questions to make up, instead of --data.")
    int generate;

    @Option(names = "--names", paramLabel = "FILE",
            description = "Names to make questions of, one a line; of last-letter, each in one "
            + "question alone (default: a list of our own).")
    Path names;

    @Option(names = "--split-seed", defaultValue = "1", paramLabel = "S",
            description = "Of what is held out and made up (default: ${DEFAULT-VALUE}).")
    long splitSeed;

    @Option(names = "--question-field", paramLabel = "NAME",
            description = "Field of the question (default: the task's usual ones).")
    String questionField;

    @Option(names = "--answer-field", paramLabel = "NAME",
            description = "Field of the answer (default: the task's usual ones).")
    String answerField;

    @Option(names = "--answer-format", paramLabel = "NAME",
            description = "For question-answer: text, yes-no or number (default: text).")
    String answerFormat;

    @Option(names = "--suffix", paramLabel = "TEXT",
            description = "For coin-flip: added to each question, such as \"Flip means reverse.\"")
    String suffix;

    @Option(names = "--size", defaultValue = "0", paramLabel = "N",
            description = "Words (last-letter, also of a question that quotes none) or people "
            + "(coin-flip) of a question that is made up (default: 2).")
    int size;

    @Option(names = "--test-orders", paramLabel = "N",
            description = "Orders of options or responses that a question is "
            + "evaluated in (default: 2 for pairwise, else 1).")
    Integer testOrders;

    public int testOrders() {
        return testOrders != null ? testOrders : TaskConfig.of(task).make().usualTestOrders();
    }

    public QuestionConfig config(Path testData, int testSize) {
        requireUse();
        AnswerFormat format = answerFormat == null ? null : Words.choose(
                "--answer-format", answerFormat, AnswerFormat.class);
        return new QuestionConfig(new TaskConfig(task, format, suffix, size), data, testData, limit, testSize, generate,
                names, splitSeed, questionField, answerField);
    }

    /** Refuses flags of made-up questions beside a file, and of a file beside made-up questions. */
    private void requireUse() {
        if (data != null && (names != null || size != 0)) {
            throw new InputException((names != null ? "--names: " + names : "--size: " + size)
                    + " beside --data, expected it beside --generate alone: it is for questions that are made up");
        }
        if (data == null && limit != 0) {
            throw new InputException("--limit: " + limit
                    + " without --data, expected --generate to say how many questions are made up");
        }
    }
}
