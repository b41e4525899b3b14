package org.ingrain.lab;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.files.Digest;
import org.ingrain.files.JsonLines;

/**
 * Questions for lab models: pool questions for distillation and held-out test questions. The training data of a lab
 * model ({@link Corpus}) has rows that answer a question about several words or people directly, without steps. These
 * rows contain no words of the pool questions or the test questions.
 */
public final class LabQuestions {
    /**
     * Instructions to rephrase a question, from the first step of the shipped method rar-2-step. A test compares these
     * instructions with the file of the method.
     */
    static final String REPHRASE_LETTERS =
            " Based on the details given in the initial inquiry, could you kindly rephrase the question and separate"
            + " these 2 words in the revised question? Please ensure these 2 words remain unchanged from the original "
                    + "question.";
    static final String REPHRASE_COIN =
            " Based on the information provided in the original query, could you please rephrase it and expand it to"
            + " help you do better answering. Please ensure that your response solely includes the reworded question, "
                    + "excluding any"
            + " introductory phrases or explanatory remarks, while preserving all the details from the original query.";
    /** Instruction of the shipped chain-of-thought method. */
    static final String STEP_BY_STEP = " Let's think step by step.";
    /**
     * Maximum number of people in a coin question. About half of the questions have this number of people; the others
     * have one person fewer.
     */
    static final int PEOPLE = 3;
    /** Maximum number of summands in a sum. */
    static final int SUMMANDS = 5;

    private LabQuestions() {
    }

    /** A question with its gold answer, as a row of a question file. */
    public record Question(String id, String question, String answer) {
    }

    /** The kinds of questions for lab models. */
    public enum Kind {
        /** Questions about the last letters of two words. */
        LETTERS(Course.LETTERS_AND_COINS, TaskConfig.of("last-letter"), "rar-2-step"),
        /** Questions about a coin and two or three people. */
        COIN(Course.LETTERS_AND_COINS, TaskConfig.of("coin-flip"), "rar-2-step"),
        /** Questions about the last digit of a sum of five numbers. */
        SUMS(Course.SUMS, new TaskConfig("question-answer", AnswerFormat.NUMBER, null, 0), "cot");

        private final Course course;
        private final TaskConfig task;
        private final String method;

        Kind(Course course, TaskConfig task, String method) {
            this.course = course;
            this.task = task;
            this.method = method;
        }

        Course course() {
            return course;
        }

        public TaskConfig task() {
            return task;
        }

        /** Name of the shipped method whose steps the model has learned for this kind. */
        public String method() {
            return method;
        }

        /** File of the questions of this kind for a part of the lexicon, such as {@code letters-pool.jsonl}. */
        public Path file(Path folder, String part) {
            return folder.resolve(name().toLowerCase(Locale.ROOT) + "-" + part + ".jsonl");
        }
    }

    /**
     * Writes pool and test questions of every kind into a folder. The files depend only on the numbers of questions.
     */
    public static void write(Path folder, int pool, int test) {
        Lexicon lexicon = Lexicon.of(Lexicon.SEED);
        for (Kind kind : Kind.values()) {
            JsonLines.write(kind.file(folder, "pool"), questions(kind, lexicon.pool(), "pool", pool));
            JsonLines.write(kind.file(folder, "test"), questions(kind, lexicon.test(), "test", test));
        }
    }

    /** Generates {@code count} different questions of one kind from the given words. */
    static List<Question> questions(Kind kind, List<String> words, String part, int count) {
        Random random = new Random(Digest.seed(Lexicon.SEED, "questions", kind.name(), part));
        Draw draw = new Draw(new Lexicon(words, List.of(), List.of(), List.of()), random, null);
        Function<String, Question> make = id -> switch (kind) {
            case LETTERS -> {
                String first = draw.word();
                String second = draw.word();
                yield new Question(id, letters(first, second),
                        (first.substring(first.length() - 1) + second.substring(second.length() - 1))
                        .toLowerCase(Locale.ROOT));
            }
            case COIN -> {
                List<String> people = new ArrayList<>(List.of(draw.word(), draw.word(), draw.word()));
                Coin coin = Coin.of(draw.coinFlip() ? people : people.subList(1, PEOPLE), draw);
                yield new Question(id, coin.question(), coin.answer());
            }
            case SUMS -> {
                Sum sum = Sum.of(SUMMANDS, draw);
                yield new Question(id, sum.question(), sum.answer());
            }
        };
        Set<String> seen = new HashSet<>();
        List<Question> questions = new ArrayList<>();
        while (questions.size() < count) {
            Question question = make.apply(String.format(Locale.ROOT, "%s-%04d", part, questions.size() + 1));
            if (seen.add(question.question())) {
                questions.add(question);
            }
        }
        return questions;
    }

    static String letters(String first, String second) {
        return "Take the last letters of the words in \"" + first + " " + second + "\" and concatenate them.";
    }
}
