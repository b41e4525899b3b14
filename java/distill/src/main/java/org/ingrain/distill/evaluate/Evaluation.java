package org.ingrain.distill.evaluate;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.JsonLines;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answerer;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.tensor.InputException;

/**
 * Measures arms on held-out questions: accuracy by the task's own equivalence, #Tokens, agreement with votes, and whether the order of
 * options or responses changes the answer.
 *
 * @param test every one with its gold answer; at least one to measure
 */
public record Evaluation(EvaluateConfig config, Task task, List<Example> test) {
    /** Refuses what would be refused of every arm: to be asked before anything else is. */
    public void check() {
        if (config.orders() > 1 && !test.isEmpty() && task.orders(test.getFirst(), config.orders()).size() == 1) {
            throw new InputException("--test-orders: " + config.orders() + ", expected 1: questions of task " + task.name()
                    + " have one order alone");
        }
    }

    /**
     * Measures one arm in a folder of its own, {@code samples.jsonl} and {@code scores.jsonl}; what is there already is not done
     * again.
     */
    public ArmResult measure(Arm arm, Path folder, Answerer answerer, Stopwatch watch) {
        Path samples = folder.resolve("samples.jsonl");
        Path scores = folder.resolve("scores.jsonl");
        List<Example> asked = test.stream().flatMap(example -> task.orders(example, config.orders()).stream()).toList();
        // All arms of a method share their random numbers: base and student differ by their weights alone.
        Plan plan = arm.method().plan(task, config.sampling(arm.method().depth()), "evaluate", arm.weights());
        new Sampling(plan, Stopping.NEVER, asked, answerer).run(samples, watch);
        if (!Files.exists(scores)) {
            AtomicFile.write(scores, out -> Answers.forEach(samples, asked,
                    (example, answers) -> JsonLines.write(out, score(arm, example, answers))));
        }
        return ArmResult.of(arm.name(), arm.title(), JsonLines.read(scores, Score.class));
    }

    private Score score(Arm arm, Example example, Answers answers) {
        Ballot ballot = Ballot.of(example, answers, task, arm.method());
        String answer = ballot.votes().isEmpty() ? null : ballot.votes().getFirst().answer();
        String verdict = answer == null ? null : task.key(answer);
        boolean right = answer != null && (example.isAsGiven() ? task.isRight(example, answer) : verdict.equals(task.key(example.gold())));
        return new Score(example.id(), example.question(), example.gold(), example.category(), example.references(), answer, verdict, right,
                answers.tokens(), ballot.answers());
    }
}
