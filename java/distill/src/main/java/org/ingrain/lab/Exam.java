package org.ingrain.lab;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/**
 * Evaluates a lab model on questions of each kind of its course. The model first answers the questions directly, and
 * then with the method for that kind. Sampling is greedy, and the prompts are the shipped ones.
 *
 * @param run   run folder to which all answers are written
 * @param words words that the questions are generated from
 * @param part  name of the part of the lexicon that contains the words
 * @param count number of questions of each kind
 */
record Exam(RunFolder run, Answerer answerer, List<String> words, String part, int count) {
    private static final int MOST_TOKENS = 96;

    Look look(Course course, int step, long tokens) {
        Map<LabQuestions.Kind, Look.Shares> kinds = new EnumMap<>(LabQuestions.Kind.class);
        for (LabQuestions.Kind kind : course.kinds()) {
            kinds.put(kind, new Look.Shares(right(kind, Methods.direct(), step),
                    right(kind, Methods.load(kind.method()), step)));
        }
        return new Look(step, tokens, kinds);
    }

    private double right(LabQuestions.Kind kind, Method method, int step) {
        Task task = kind.task().make();
        List<Example> questions = LabQuestions.questions(kind, words, part, count).stream()
                .map(question -> new Example(question.id(), question.question(), question.answer(),
                        task.traits(question.question()), null,
                        List.of())).toList();
        String name = part + "-" + step + "/" + kind + "-" + method.name();
        Evaluation evaluation = new Evaluation(EvaluateConfig.greedy(MOST_TOKENS), task, questions);
        return evaluation.measure(Arm.single(name, name, method, new ModelState.Base()), run.file(name), answerer,
                new Stopwatch("exam " + part + " at step " + step, "answers", run.log(), Progress.SILENT),
                run.digests()).accuracy();
    }
}
