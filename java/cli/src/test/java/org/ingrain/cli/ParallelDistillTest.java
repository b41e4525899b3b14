package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A distillation over two copies of two ranks each writes the bytes of one rank. */
class ParallelDistillTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");

    @TempDir
    private Path temp;

    private Run distill(String output, Object... more) {
        List<Object> words = new ArrayList<>(List.of("distill", "--model", LAB, "--task", "last-letter", "--generate",
                8, "--test-size", 4, "--method", "direct", "--n", 3, "--majority", "all", "--target", "response",
                "--max-tokens", 8, "--max-steps", 2, "--rank", 2, "--output", temp.resolve(output)));
        words.addAll(List.of(more));
        return Run.of(words.toArray());
    }

    @Test
    void samplesAreThoseOfOneRank() throws IOException {
        Run one = distill("one", "--threads", 1);
        assertEquals(0, one.status(), one.err());
        Run four = distill("four", "--tensor-parallel-size", 2, "--data-parallel-size", 2);
        assertEquals(0, four.status(), four.err());
        assertTrue(four.err().contains("cpu: 2 copies of the model, each over 2 devices (as requested)"), four.err());
        for (String file : List.of("samples.jsonl", "train.jsonl", "ledger.jsonl")) {
            assertEquals(Files.readString(temp.resolve("one").resolve(file)),
                    Files.readString(temp.resolve("four").resolve(file)), file);
        }
    }

    /** A dry run says which devices do what, and plans each. */
    @Test
    void aDryRunShowsThePlacement() {
        Run run = distill("none", "--dry-run", "--tensor-parallel-size", 2, "--threads", 2);
        assertEquals(0, run.status(), run.err());
        assertTrue(run.out().contains("\nmemory: needs "), run.out());
        assertTrue(run.out().contains("\ndevices: cpu: 1 copy of the model, over 2 devices (as requested)\n"),
                run.out());
    }
}
