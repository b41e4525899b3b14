package org.ingrain.cli.flags;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** Tests the generator settings that follow from the flags of a batch. */
class BatchFlagsTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");

    /** Returns the number of tokens per step. */
    private static int tokens(Engine engine, String... flags) {
        BatchFlags batch = new BatchFlags();
        new CommandLine(batch).parseArgs(flags);
        return batch.config(engine).maxBatchTokens();
    }

    @Test
    void promptsGetAtLeastHalfOfAStep() {
        try (Engine engine = Engine.open(ModelOptions.of(LAB).withThreads(1))) {
            assertEquals(512, tokens(engine));
            assertEquals(512, tokens(engine, "--max-sequences", "256"));
            assertEquals(600, tokens(engine, "--max-sequences", "300"));
            assertEquals(300, tokens(engine, "--max-sequences", "300", "--max-batch-tokens", "300"));
        }
    }
}
