package org.ingrain.distill.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.MultipleChoice;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests questions that are asked in several presentation orders. A map contains the answers. */
class EvaluationTest {
    @TempDir
    Path base;

    private ArmResult measure(List<Example> examples, int orders, Map<String, String> says) {
        EvaluateConfig config = new EvaluateConfig(SamplingParams.greedy(8), List.of(), orders, List.of());
        try (RunFolder run = RunFolder.open(base.resolve("run"), Manifest.of(List.of(), List.of()))) {
            Arm arm = Arm.single("arm", "Arm", Methods.direct(), new ModelState.Base());
            return new Evaluation(config, new MultipleChoice(), examples)
                    .measure(arm, run.path(), (first, done) -> first.forEach(request ->
                            done.apply(new TextCompletion(request.key(), says.get(request.key().id()), 4,
                                    Finish.STOP))),
                    new Stopwatch("arm", "answers", run.log(), Progress.SILENT), run.digests());
        }
    }

    @Test
    void theCommonestGoldAnswerIsABaseline() {
        List<Example> examples = List.of(new Example("1", "Which?\n(A) x\n(B) y", "A"),
                new Example("2", "Which?\n(A) x\n(B) y", "(B)"), new Example("3", "Which?\n(A) x\n(B) y", "B) y"));
        ArmResult result = measure(examples, 2, Map.of("1", "A", "1~1", "A", "2", "A", "2~1", "none", "3", "A", "3~1",
                "(A)"));
        Commonest commonest = result.commonest();
        assertEquals(List.of("B", 3, 2), List.of(commonest.answer(), commonest.questions(), commonest.right()));
        assertEquals("always B (commonest gold answer)", commonest.title());
        assertEquals(List.of(new Ballot.Votes("B", 2), new Ballot.Votes("A", 1)), commonest.gold().commonest());
        assertEquals(List.of(new Ballot.Votes("A", 3), new Ballot.Votes("B", 2)), result.given().commonest(),
                "the votes have the letters of the given order");
        assertEquals(5, result.given().total(), "the text that names no option is not counted");
    }

    /** The gold answer z is option C in the given order, and B and A in the other presentation orders. */
    @Test
    void theGoldAnswerIsReadAlikeInEveryOrder() {
        Example example = new Example("1", "Which?\n(A) x\n(B) y\n(C) z", "C) z");
        ArmResult result = measure(List.of(example), 3, Map.of("1", "(C)", "1~1", "The answer is B.", "1~2", "C."));
        List<Score> scores = JsonLines.read(base.resolve("run/scores.jsonl"), Score.class);
        assertEquals(List.of("C", "C", "B"), scores.stream().map(Score::verdict).toList());
        assertEquals(List.of(true, true, false), scores.stream().map(Score::right).toList());
        assertEquals(2, result.right());
    }
}
