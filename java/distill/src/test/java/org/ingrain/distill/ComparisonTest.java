package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.report.page.ComparisonPage;
import org.ingrain.distill.report.table.Comparison;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Compares finished runs. The comparison must show the figures of the runs' reports, and must pair the answers of the
 * students by question.
 */
class ComparisonTest {
    @TempDir
    private Path base;

    private Outcome.Done run(String name, int test, Rule rule, double taught) {
        CurationConfig curation = new CurationConfig(rule, 0, 0, false, 1, false, Target.ANSWER, 0, 1);
        FakeModel model = new FakeModel(0.3, 0.8, taught, 2, () -> { });
        return (Outcome.Done) Runs.run(Runs.with(Runs.config(Runs.letters(60 + test, test), List.of(1, 4), List.of()),
                curation), base, name, model);
    }

    private Comparison compare(String... names) {
        return Comparison.of(List.of(names).stream().map(base::resolve).toList());
    }

    @Test
    void runsAreComparedByArmAndStudentsByQuestion() {
        Outcome.Done good = run("good", 40, Rule.MORE_THAN_HALF, 0.95);
        run("bad", 40, Rule.FIRST, 0.4);
        Comparison both = compare("bad", "good");
        assertEquals(List.of("bad", "good"), both.runs());
        assertEquals(List.of("system-1 bad", "system-1 good", "system-2 bad", "system-2 good", "distilled bad",
                "distilled good"), both.rows().stream().map(row -> row.arm() + " " + row.run()).toList());
        ArmResult arm = good.report().arms().getLast();
        Comparison.Row row = both.rows().getLast();
        assertEquals(List.of(arm.accuracy(), arm.low(), arm.high(), arm.tokens()),
                List.of(row.accuracy(), row.low(), row.high(), row.tokens()));
        Comparison.Test test = both.tests().getFirst();
        long change = Math.round(40 * (row.accuracy() - both.rows().get(4).accuracy()));
        assertEquals(change, test.gained() - test.lost());
        assertTrue(test.gained() > 10 && test.p() < 0.01, test.toString());
        assertEquals(List.of("first", "more-than-half"), both.settings().get("curation.rule"));
        assertFalse(both.settings().containsKey("sample.samples"), both.settings().toString());
        assertTrue(both.text().contains("good against bad, distilled: " + test.gained() + " better, "), both.text());
        assertTrue(both.text().contains("sample s") && both.text().contains("curation.rule"), both.text());
        assertTrue(Json.pretty(both).contains("\"gained\" : " + test.gained()));
        String page = new ComparisonPage(both).text();
        assertTrue(page.contains("<h1>Comparison of bad, good</h1>") && page.contains("good against bad, distilled"));
        assertTrue(!page.contains("{{") && !page.contains("http://"), page);
    }

    @Test
    void studentsOfOtherQuestionsAreNotTested() {
        run("a", 40, Rule.MORE_THAN_HALF, 0.95);
        run("b", 30, Rule.MORE_THAN_HALF, 0.95);
        Comparison both = compare("a", "b");
        assertNull(both.tests().getFirst().p());
        assertTrue(both.text().contains("b against a, distilled: no test, because the test questions differ"),
                both.text());
    }

    @Test
    void severalSeedsAreOneRunWithAMean() throws IOException {
        run("one/seed-1", 40, Rule.MORE_THAN_HALF, 0.95);
        run("one/seed-2", 40, Rule.FIRST, 0.5);
        run("two/seed-1", 40, Rule.MORE_THAN_HALF, 0.7);
        run("two/seed-3", 40, Rule.MORE_THAN_HALF, 0.7);
        Comparison both = compare("one", "two");
        Comparison.Row row = both.rows().get(4);
        assertEquals("distilled one", row.arm() + " " + row.run());
        assertEquals(2, row.seeds());
        assertTrue(row.low() < row.accuracy() && row.accuracy() < row.high(), row.toString());
        assertEquals(List.of("seed-1"), both.tests().stream().map(Comparison.Test::seed).toList());
        Files.createDirectory(base.resolve("empty"));
        assertEquals(base.resolve("empty") + ": no report.json, expected a finished run, or a folder with the runs of "
                + "several seeds", assertThrows(InputException.class, () -> compare("one", "empty")).getMessage());
        assertThrows(InputException.class, () -> compare("one"));
    }
}
