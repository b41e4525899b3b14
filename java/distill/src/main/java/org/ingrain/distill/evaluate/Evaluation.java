package org.ingrain.distill.evaluate;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.files.DurableFile;
import org.ingrain.files.FileDigests;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;

/**
 * Evaluates arms on held-out questions. An evaluation measures the accuracy (the task defines which answers are right),
 * the number of generated tokens, the agreement with reference votes, and whether the presentation order of options or
 * responses changes the answer.
 *
 * @param test the questions, at least one; each must have a gold answer
 */
public record Evaluation(EvaluateConfig config, Task task, List<Example> test) {
    private static final String SAMPLES = "samples.jsonl";
    private static final String SCORES = "scores.jsonl";
    /** Names of the files in the folder of an arm. */
    public static final List<String> FILES = List.of(SAMPLES, SCORES);

    /**
     * @throws org.ingrain.tensor.InputException if the settings cannot be applied to the method, or if the settings
     *         require several presentation orders and the questions have only one presentation order
     */
    public void check(Method method) {
        plan(method, new ModelState.Base());
        task.requireOrders("testOrders", config.orders(), test);
    }

    /**
     * The sampling plan of a method. Arms with the same method use the same random numbers, so that two such arms
     * differ only in their weights.
     */
    public Plan plan(Method method, ModelState weights) {
        return method.plan(task, config.sampling(method.depth()), "evaluate", weights);
    }

    /**
     * Evaluates one arm and writes {@code samples.jsonl} and {@code scores.jsonl} to its own folder. Existing files are
     * reused.
     *
     * @param digests the digests of the run folder that contains {@code folder}
     */
    public ArmResult measure(Arm arm, Path folder, Answerer answerer, Stopwatch watch, FileDigests digests) {
        Path samples = folder.resolve(SAMPLES);
        Path scores = folder.resolve(SCORES);
        List<Example> asked = test.stream().flatMap(example -> task.orders(example, config.orders()).stream()).toList();
        Sampling sampling = new Sampling(plan(arm.method(), arm.weights()), Stopping.NEVER, asked, answerer);
        digests.make(samples, () -> sampling.run(samples, watch));
        digests.make(scores, () -> {
            if (!Files.exists(scores)) {
                DurableFile.write(scores, out -> Answers.forEach(samples, asked,
                        (example, answers) -> JsonLines.write(out, score(arm, example, answers))));
            }
        });
        return ArmResult.of(arm, scores(scores, asked), set -> Commonest.of(task, asked.stream()
                .filter(example -> set == null || set.equals(example.set())).toList()), task::wider);
    }

    private List<Score> scores(Path file, List<Example> asked) {
        Iterator<Example> examples = asked.iterator();
        List<Score> scores = new ArrayList<>();
        try (JsonLines<Score> lines = JsonLines.open(file, Score.class)) {
            for (Score score = lines.next(); score != null; score = lines.next()) {
                String expected = examples.hasNext() ? examples.next().id() : "no further line";
                if (!score.id().equals(expected) || score.votes().size() != config.votes().size()) {
                    throw new InputException(lines.where() + ": id is " + score.id() + " with " + score.votes().size()
                            + " votes, expected " + expected + " with " + config.votes().size());
                }
                scores.add(score);
            }
        }
        if (examples.hasNext()) {
            throw new InputException(file + ": no line of example " + examples.next().id());
        }
        return scores;
    }

    private Score score(Arm arm, Example example, Answers answers) {
        Ballot ballot = Ballot.of(example, answers, task, arm.method());
        int most = config.votes().stream().mapToInt(Integer::intValue).max().orElse(0);
        if (ballot.answers().size() < most) {
            throw new InputException("evaluation of " + arm.name() + ": example " + example.id() + " has "
                    + ballot.answers().size() + " answers in samples.jsonl, expected " + most);
        }
        String answer = first(ballot.votes());
        List<Score.Vote> votes = config.votes().stream().map(k -> {
            String voted = first(Ballot.votes(example, ballot.answers().subList(0, k), task));
            return new Score.Vote(k, voted, isRight(example, voted));
        }).toList();
        return new Score(example.id(), example.given(), example.question(), example.gold(), example.category(),
                example.set(), example.references(), answer, answer == null ? null : task.key(answer),
                isRight(example, answer), answers.tokens(), votes, ballot.answers());
    }

    /** The answer with the most votes; null if there are no votes. */
    private static String first(List<Ballot.Votes> votes) {
        return votes.isEmpty() ? null : votes.getFirst().answer();
    }

    private boolean isRight(Example example, String answer) {
        return answer != null && task.isRight(example, answer);
    }
}
