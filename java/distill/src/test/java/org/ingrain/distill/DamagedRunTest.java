package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A damaged file of a run folder is refused in one line that names the file. */
class DamagedRunTest {
    @TempDir(factory = MemoryFolder.class)
    Path base;

    /** A file, what is replaced in it, and what the refusal says. */
    private record Damage(String file, String text, String by, String message) {
    }

    private static final List<Damage> DAMAGES = List.of(
            new Damage("samples.jsonl", "\"id\":\"000002\",", "", "line 1: id: missing"),
            new Damage("samples.jsonl", "\"path\":\"0\"", "\"path\":null", "line 1: path: missing"),
            new Damage("samples.jsonl", "\"path\":\"0\"", "\"path\":\"I8\"", "path: I8, expected numbers"),
            new Damage("samples.jsonl", "\"path\":\"0\"", "\"path\":\"7\"", "expected also its first part 0"),
            new Damage("samples.jsonl", "\"path\":\"0.0\"", "\"path\":\"0.100000\"", "path 0.100000 is not one"),
            new Damage("samples.jsonl", "\"text\":", "\"step\":", "text"),
            new Damage("ledger.jsonl", "\"reason\":\"majority\",", "", "reason: missing"),
            new Damage("ledger.jsonl", "\"orders\":", "\"orders\":[],\"targets\":", "line 1: path: missing"),
            new Damage("evaluation/system-2/scores.jsonl", "\"answers\":", "\"votes\":", "Unrecognized property"),
            new Damage("evaluation/system-1/scores.jsonl", "\"id\":\"", "\"id\":\"x", "question x"),
            new Damage("training.json", "\"adapter\" : \"adapter\",", "", "adapter: missing"),
            new Damage("training.json", "\"adapter\" : \"adapter\"", "\"adapter\" : \"../..\\u0000\"", "adapter"));

    @Test
    void namesTheFile() throws Exception {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(8, 3), List.of(3, 2), List.of());
        Runs.run(config, base, "run", FakeModel.with(1));
        List<String> wrong = new ArrayList<>();
        for (Damage damage : DAMAGES) {
            Path file = base.resolve("run").resolve(damage.file);
            String whole = Files.readString(file);
            assertTrue(whole.contains(damage.text), () -> damage + " in " + whole);
            Path ledger = base.resolve("run/ledger.jsonl");
            String judged = Files.readString(ledger);
            if (damage.file.equals("samples.jsonl")) {
                Files.delete(ledger);
            }
            Files.writeString(file, whole.replaceFirst(Pattern.quote(damage.text),
                    Matcher.quoteReplacement(damage.by)));
            String refusal = assertThrows(InputException.class, () -> Runs.run(config, base, "run", FakeModel.with(1)),
                    damage::toString).getMessage();
            if (!refusal.startsWith(file.toString()) || !refusal.contains(damage.message)) {
                wrong.add(damage + ": " + refusal);
            }
            Files.writeString(ledger, judged);
            Files.writeString(file, whole);
        }
        assertEquals(List.of(), wrong);
    }
}
