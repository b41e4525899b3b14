package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.CoinFlip;
import org.ingrain.distill.task.Example;
import org.ingrain.files.JsonLines;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests forecasts of a whole stage from a trial in which texts were cut at a maximum length. */
class TrialTest {
    private static final Plan PLAN = Methods.direct().plan(new CoinFlip("", 2),
            new SampleConfig(List.of(4), SamplingParams.sampled(1, 1, 100, 1)), "test", new ModelState.Base());

    @TempDir(factory = MemoryFolder.class)
    private Path base;

    /** The forecast for ten questions from a trial of one question, which took 2 s. Length 0 means a cut text. */
    private Forecast.Row row(int cut, int... lengths) {
        List<SampleRecord> samples = new ArrayList<>();
        for (int length : lengths) {
            samples.add(new SampleRecord("1", String.valueOf(samples.size()), "answer", "text",
                    length == 0 ? cut : length, length == 0 ? Finish.LENGTH : Finish.STOP));
        }
        Path file = base.resolve("samples.jsonl");
        JsonLines.write(file, samples);
        return new Trial.Tried(PLAN, PLAN.cut(cut), file, List.of(new Example("1", "q", null)), 10, 2, 50)
                .row("sample", 4);
    }

    @Test
    void textsThatEndedAreCounted() {
        Forecast.Row row = row(100, 5, 7, 0, 8);
        assertEquals(10 * 120, row.tokens());
        assertEquals(10 * 2, row.seconds());
        assertEquals(40, row.calls());
        assertEquals("1 question", row.basis());
    }

    /**
     * The four texts have 30 tokens in total. Two of these texts ended, so one text ends per 15 tokens. Without a
     * limit, each cut text would be expected to have 15 further tokens. With the limit of 90 further tokens, the
     * expected number is slightly smaller.
     */
    @Test
    void cutTextsEndAtTheSameRate() {
        Forecast.Row row = row(10, 5, 0, 0, 5);
        double rest = 2 * 15 * (1 - Math.exp(-90 / 15.0));
        assertEquals(10 * (30 + rest), row.tokens(), 1e-9);
        assertEquals(10 * (2 + rest / 50), row.seconds(), 1e-9);
        assertEquals("1 question, cut at 10 tokens", row.basis());
    }

    @Test
    void ifNoTextEndedAllAreAsLongAsTheyMayBe() {
        assertEquals(10 * 4 * 100, row(10, 0, 0, 0, 0).tokens());
    }
}
