package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests a context of 192 tokens with a tokenizer that makes a token of each letter. Examples that are too long are
 * counted and left out.
 */
class ContextTest {
    private static final String LONG = "Is it so " + "very ".repeat(60) + "late?";

    @TempDir
    private Path temp;

    private Path questions(String name, String... questions) throws IOException {
        List<String> rows = new ArrayList<>();
        for (String question : questions) {
            rows.add(Json.line(Map.of("question", question, "answer", "yes")));
        }
        return Files.write(temp.resolve(name), rows);
    }

    private List<Object> words(String command, Path data, Object... more) throws IOException {
        Path model = temp.resolve("model");
        if (Files.notExists(model)) {
            TinyModelFolder.write(model);
        }
        List<Object> words = new ArrayList<>(List.of(
                command, "--model", model, "--task", "question-answer", "--method", "direct", "--data", data));
        words.addAll(List.of(more));
        return words;
    }

    private static Run run(List<Object> words, Object... more) {
        List<Object> all = new ArrayList<>(words);
        all.addAll(List.of(more));
        return Run.of(all.toArray());
    }

    private static Run succeed(List<Object> words, Object... more) {
        Run run = run(words, more);
        assertEquals(0, run.status(), run.err());
        return run;
    }

    @Test
    void aRunFolderIsOfOneContext() throws IOException {
        Path data = questions("data.jsonl", "Is the sky blue?", "Is the sea?");
        for (List<Object> command : List.of(words("evaluate", data, "--max-tokens", 4),
                words("distill", data, "--test-size", 1, "--n", 1, "--majority", "all", "--target", "response",
                        "--max-tokens", 4, "--max-steps", 1, "--rank", 2))) {
            Path output = temp.resolve(command.getFirst().toString());
            succeed(command, "--output", output);
            Run other = run(command, "--output", output, "--context", 100);
            assertEquals(2, other.status(), other.err());
            assertTrue(other.complaint().contains("made with engine.context \"192\", now it is \"100\""),
                    other.complaint());
            succeed(command, "--output", output, "--context", 192);
        }
    }

    @Test
    void questionsThatDoNotFitAreCounted() throws IOException {
        Path data = questions("data.jsonl", "Is the sky blue?", LONG, "Is the sea?", "Is the rain?");
        Path test = questions("test.jsonl", "Is the wood?", LONG.replace("late", "early"), "Is the snow?");
        List<Object> command = words("distill", data, "--test-data", test, "--n", 2, "--majority", "all", "--target",
                "response", "--max-tokens", 4, "--max-steps", 1, "--rank", 2, "--output", temp.resolve("run"));
        succeed(command, "--dry-run");
        Run run = succeed(command);
        assertTrue(run.out().contains("Distilled System 1: kept 3 of 4 examples, prompt too long 1, "), run.out());
        assertEquals(3, run.out().lines().filter(line -> line.contains("(prompt too long: 1)")).count(), run.out());
        assertTrue(Files.readString(temp.resolve("run/ledger.jsonl")).contains("\"reason\":\"prompt-too-long\","
                + "\"detail\":\"its prompt does not fit into the model's context\""));
        Run alone = succeed(words("evaluate", test, "--max-tokens", 4, "--output", temp.resolve("alone")));
        assertTrue(alone.out().contains("\n  skipped, because the prompt is longer than the context: 1\n"),
                alone.out());
    }

    /** A response that fills the context leaves no room for the end-of-sequence token. */
    @Test
    void targetsThatDoNotFitAreLeftOut() throws IOException {
        Path data = questions("data.jsonl", "Is it " + "so ".repeat(38) + "late?", "Is the sea?");
        Run run = succeed(words("distill", data, "--test-data", questions("test.jsonl", "Is the wood?"), "--n", 1,
                "--majority", "all", "--target", "response", "--max-tokens", 60, "--max-steps", 1, "--rank", 2,
                "--output", temp.resolve("run")));
        assertTrue(run.out().contains("Distilled System 1: kept 1 of 2 examples, training example too long 1, "),
                run.out());
        assertTrue(Files.readString(temp.resolve("run/ledger.jsonl")).contains("\"reason\":\"example-too-long\","
                + "\"detail\":\"not filtered, 1 of 1 samples, but 1 of 1 too long to train on\""));
        assertEquals(1, Files.readAllLines(temp.resolve("run/train.jsonl")).size());
    }
}
