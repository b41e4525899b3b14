package org.ingrain.distill.evaluate;

import java.nio.file.Files;
import java.nio.file.Path;
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
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;

/**
 * Evaluates arms on held-out questions. It measures the accuracy (the task defines which answers are right), the number
 * of generated tokens, the agreement with reference votes, and whether the presentation order of options or responses
 * changes the answer.
 *
 * @param test the questions, at least one; each must have a gold answer
 */
public record Evaluation(EvaluateConfig config, Task task, List<Example> test) {
    /**
     * @throws org.ingrain.tensor.InputException if the settings cannot be applied to the method, or if they require
     *         several presentation orders and the questions have only one
     */
    public void check(Method method) {
        plan(method, new ModelState.Base());
        task.requireOrders("testOrders", config.orders(), test);
    }

    /**
     * The sampling plan of a method. Arms with the same method use the same random numbers, so that base model and
     * student differ only in their weights.
     */
    public Plan plan(Method method, ModelState weights) {
        return method.plan(task, config.sampling(method.depth()), "evaluate", weights);
    }

    /**
     * Evaluates one arm and writes {@code samples.jsonl} and {@code scores.jsonl} to its own folder. Existing files are
     * reused.
     */
    public ArmResult measure(Arm arm, Path folder, Answerer answerer, Stopwatch watch) {
        Path samples = folder.resolve("samples.jsonl");
        Path scores = folder.resolve("scores.jsonl");
        List<Example> asked = test.stream().flatMap(example -> task.orders(example, config.orders()).stream()).toList();
        new Sampling(plan(arm.method(), arm.weights()), Stopping.NEVER, asked, answerer).run(samples, watch);
        if (!Files.exists(scores)) {
            DurableFile.write(scores, out -> Answers.forEach(samples, asked,
                    (example, answers) -> JsonLines.write(out, score(arm, example, answers))));
        }
        List<Score> read = JsonLines.read(scores, Score.class);
        requireSame(scores, read, asked);
        return ArmResult.of(arm, read, task::wider);
    }

    /** Refuses a file of scores that does not have the questions and votes of this evaluation. */
    private void requireSame(Path file, List<Score> scores, List<Example> asked) {
        if (scores.size() != asked.size()) {
            throw new InputException(file + ": has " + scores.size() + " lines, expected " + asked.size());
        }
        for (int i = 0; i < scores.size(); i++) {
            Score score = scores.get(i);
            if (!score.id().equals(asked.get(i).id())) {
                throw new InputException(file + " line " + (i + 1) + ": question " + score.id() + ", expected "
                        + asked.get(i).id());
            }
            if (!Objects.equals(score.given(), asked.get(i).given())
                    || !score.votes().stream().map(Score.Vote::k).toList().equals(config.votes())) {
                throw new InputException(file + ": question " + score.id() + " has given " + score.given()
                        + " and votes of " + score.votes().stream().map(Score.Vote::k).toList() + " answers, expected "
                        + asked.get(i).given() + " and " + config.votes());
            }
        }
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
                example.references(), answer, answer == null ? null : task.key(answer), isRight(example, answer),
                answers.tokens(), votes, ballot.answers());
    }

    /** The answer with the most votes, or null. */
    private static String first(List<Ballot.Votes> votes) {
        return votes.isEmpty() ? null : votes.getFirst().answer();
    }

    private boolean isRight(Example example, String answer) {
        return answer != null && task.isRight(example, answer);
    }
}
