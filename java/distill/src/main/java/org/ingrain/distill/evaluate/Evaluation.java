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

/**
 * Measures arms on held-out questions: accuracy by the task's own equivalence, and #Tokens.
 *
 * @param test every one with its gold answer; at least one
 */
public record Evaluation(EvaluateConfig config, Task task, List<Example> test) {
    /**
     * Measures one arm in a folder of its own, {@code samples.jsonl} and {@code scores.jsonl}; what is there already is not done
     * again.
     */
    public ArmResult measure(Arm arm, Path folder, Answerer answerer, Stopwatch watch) {
        Path samples = folder.resolve("samples.jsonl");
        Path scores = folder.resolve("scores.jsonl");
        // All arms of a method share their random numbers: base and student differ by their weights alone.
        Plan plan = arm.method().plan(task, config.sampling(arm.method().depth()), "evaluate", arm.weights());
        new Sampling(plan, Stopping.NEVER, test, answerer).run(samples, watch);
        if (!Files.exists(scores)) {
            AtomicFile.write(scores, out -> Answers.forEach(samples, test,
                    (example, answers) -> JsonLines.write(out, score(arm, example, answers))));
        }
        return result(arm, scores);
    }

    private Score score(Arm arm, Example example, Answers answers) {
        Ballot ballot = Ballot.of(example, answers, task, arm.method());
        String answer = ballot.votes().isEmpty() ? null : ballot.votes().getFirst().answer();
        boolean right = answer != null && task.isRight(example, answer);
        return new Score(example.id(), example.question(), example.gold(), answer, right, answers.tokens(), ballot.answers());
    }

    private static ArmResult result(Arm arm, Path file) {
        List<Score> scores = JsonLines.read(file, Score.class);
        int n = scores.size();
        int right = (int) scores.stream().filter(Score::right).count();
        int unanswered = (int) scores.stream().filter(score -> score.answer() == null).count();
        double tokens = scores.stream().mapToLong(Score::tokens).sum() / (double) n;
        Wilson interval = Wilson.of(right, n);
        return new ArmResult(arm.name(), arm.title(), n, right, (double) right / n, interval.low(), interval.high(), tokens, unanswered);
    }
}
