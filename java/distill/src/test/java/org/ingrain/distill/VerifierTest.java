package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.verify.Verdict;
import org.ingrain.distill.verify.VerifierConfig;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A user's program accepts or rejects the answers of a run. */
class VerifierTest {
    @TempDir
    Path base;

    private VerifierConfig program(String name, String lines, int timeout, int memory) throws IOException {
        Path script = Files.writeString(base.resolve(name), "#!/bin/sh\n" + lines);
        assertTrue(script.toFile().setExecutable(true));
        return VerifierConfig.of("/bin/sh '" + script + "' 'x y'", timeout, memory);
    }

    private Outcome run(String name, Rule rule, VerifierConfig verifier) {
        return Runs.run(Runs.with(Runs.config(Runs.letters(8, 0), List.of(4, 1), List.of()), new CurationConfig(rule, 0,
                0, false, 1, true, Target.ANSWER, 0, 1, verifier, null, null)), base, name, FakeModel.with(2));
    }

    private List<Entry> ledger(String run) {
        return JsonLines.read(base.resolve(run).resolve("ledger.jsonl"), Entry.class);
    }

    private List<Verdict> verdicts(String run) {
        return JsonLines.read(base.resolve(run).resolve("verdicts.jsonl"), Verdict.class);
    }

    /** The program rejects answers that begin with a, b or c; most wrong answers begin with one of these letters. */
    @Test
    void rejectedAnswersDoNotVote() throws IOException {
        VerifierConfig verifier = program("check.sh", """
                read -r line
                case "$line" in *gold*) echo 'gold is known' >&2; exit 2;; esac
                case "$line" in *'"answer":"'[abc]*) exit 1;; esac
                [ "$1" = 'x y' ] && [ "$HOME" = "$PWD" ] && [ -z "$OPT_OUT_TRACKING" ] && [ -z "$(ls)" ]
                """, 20, 0);
        run("run", Rule.PLURALITY, verifier);
        List<Entry> ledger = ledger("run");
        assertEquals(7 * 4, verdicts("run").size());
        assertEquals(7 * 4, ledger.stream().mapToInt(entry -> entry.answers().size()).sum());
        for (Entry entry : ledger) {
            boolean rejected = entry.answers().stream().anyMatch(answer -> answer.answer().matches("[abc].*"));
            assertEquals(rejected, entry.answers().stream().anyMatch(answer -> !answer.accepted()), entry.id());
            assertTrue(entry.votes().stream().noneMatch(votes -> votes.answer().matches("[abc].*")), entry.id());
        }
        assertTrue(verdicts("run").stream().anyMatch(verdict -> !verdict.accepted()));
        var expected = Runs.content(base.resolve("run"));
        run("again", Rule.PLURALITY, verifier);
        Runs.assertSame(expected, base.resolve("again"), "the same run");
    }

    @Test
    void theBestAnswerIsKept() throws IOException {
        VerifierConfig verifier = program("score.sh", """
                read -r line
                case "$line" in *'"answer":"'[abc]*) echo '{"accepted": true, "score": 0.5}';;
                *) printf 'working\\n{"accepted": true, "score": 2}\\n';; esac
                """, 20, 0);
        run("run", Rule.BEST, verifier);
        for (Entry entry : ledger("run")) {
            assertEquals(Entry.Reason.VERIFIED, entry.reason());
            boolean other = entry.answers().stream().anyMatch(answer -> !answer.answer().matches("[abc].*"));
            assertEquals(!other, entry.label().matches("[abc].*"), entry.id());
        }
        Outcome none = run("none", Rule.BEST, program("no.sh", "exit 1", 20, 0));
        assertInstanceOf(Outcome.NothingKept.class, none);
        assertEquals(Set.of(Entry.Reason.REJECTED), ledger("none").stream().map(Entry::reason)
                .collect(Collectors.toSet()));
        assertThrows(InputException.class, () -> run("without", Rule.BEST, null));
    }

    @Test
    void aFaultyProgramStopsTheRunAndVerdictsAreKept() throws IOException {
        Path flag = base.resolve("repaired");
        Path count = base.resolve("count");
        VerifierConfig verifier = program("fails.sh", "echo x >> " + count + "\n[ -e " + flag + " ] || "
                + "[ $(wc -l < " + count + ") -lt 9 ] || { echo 'Traceback: no name' >&2; exit 1; }\nexit 0", 20, 0);
        String said = assertThrows(InputException.class, () -> run("run", Rule.PLURALITY, verifier)).getMessage();
        assertTrue(said.contains("exit status 1, standard error ends with: Traceback: no name"), said);
        assertFalse(Files.exists(base.resolve("run/ledger.jsonl")));
        Files.createFile(flag);
        run("run", Rule.PLURALITY, verifier);
        assertEquals(28, verdicts("run").size());
        // Answers with a known verdict are not verified again. When the first run failed, up to eight answers may have
        // been in verification, and these are verified again.
        assertTrue(Files.readAllLines(count).size() <= 28 + 8, () -> "" + count);
    }

    @Test
    void slowAndKilledProgramsReject() throws IOException {
        run("slow", Rule.FIRST, program("slow.sh", "read -r line\n"
                + "case \"$line\" in *'\"answer\":\"'[abc]*) sleep 600 & wait;; *) kill -9 $$;; esac\n", 1, 0));
        assertEquals(Set.of("time limit of 1 s", "ended by signal 9"), verdicts("slow").stream().map(Verdict::note)
                .collect(Collectors.toSet()));
        assertTrue(verdicts("slow").stream().noneMatch(Verdict::accepted));
    }

    @Test
    void commandsAreWords() throws IOException {
        assertEquals(List.of("a", "b c", "d'e", "$x"), VerifierConfig.of("a 'b c' \"d'e\" $x", 1, 0).command());
        assertEquals(List.of("a", ""), VerifierConfig.of("[\"a\", \"\"]", 1, 0).command());
        Path script = Files.writeString(base.resolve("a.sh"), "exit 0");
        Path relative = Path.of("").toAbsolutePath().relativize(script);
        VerifierConfig config = VerifierConfig.of("sh " + relative, 1, 0);
        assertEquals(List.of("sh", script.toString()), config.command());
        assertEquals(config, VerifierConfig.of(Json.line(config.command()), 1, 0));
        String said = Json.line(config);
        assertTrue(said.startsWith("{\"program\":[\"sh\",\"a.sh sha256:") && !said.contains("" + base), said);
        for (String wrong : List.of("", "a 'b", "[1", "['a']")) {
            assertThrows(InputException.class, () -> VerifierConfig.of(wrong, 1, 0), wrong);
        }
        assertThrows(InputException.class, () -> VerifierConfig.of("a", 0, 0));
    }
}
