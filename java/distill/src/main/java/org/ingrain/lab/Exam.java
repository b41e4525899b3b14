package org.ingrain.lab;

import java.util.List;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.Weights;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.CoinFlip;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.LastLetter;
import org.ingrain.distill.task.QuestionAnswer;
import org.ingrain.distill.task.Task;

/**
 * Asks a lab model questions of every kind, at once and by its method, with the shipped prompts, greedy.
 *
 * @param run   keeps every answer
 * @param words that the questions are made of
 * @param part  of the lexicon that these are
 * @param count questions of each kind
 */
record Exam(RunFolder run, Answerer answerer, List<String> words, String part, int count) {
    private static final int MOST_TOKENS = 96;

    Look look(int step, long tokens) {
        Method direct = Methods.direct();
        Method twoSteps = Methods.load("rar-2-step");
        Task letters = new LastLetter(2);
        Task coin = new CoinFlip("", LabQuestions.PEOPLE);
        Task sums = new QuestionAnswer(AnswerFormat.NUMBER);
        return new Look(step, tokens, right(LabQuestions.Kind.LETTERS, letters, direct, step), right(LabQuestions.Kind.LETTERS, letters, twoSteps, step),
                right(LabQuestions.Kind.COIN, coin, direct, step), right(LabQuestions.Kind.COIN, coin, twoSteps, step),
                right(LabQuestions.Kind.SUMS, sums, direct, step), right(LabQuestions.Kind.SUMS, sums, Methods.load("cot"), step));
    }

    private double right(LabQuestions.Kind kind, Task task, Method method, int step) {
        List<Example> questions = LabQuestions.questions(kind, words, part, count).stream()
                .map(question -> new Example(question.id(), question.question(), question.answer())).toList();
        String name = part + "-" + step + "/" + kind + "-" + method.name();
        Evaluation evaluation = new Evaluation(EvaluateConfig.greedy(MOST_TOKENS), task, questions);
        return evaluation.measure(new Arm(name, name, method, new Weights.Base()), run.file(name), answerer,
                new Stopwatch("exam " + part + " at step " + step, "answers", run.log(), Progress.SILENT)).accuracy();
    }
}
