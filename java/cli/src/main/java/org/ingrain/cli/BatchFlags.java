package org.ingrain.cli;

import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.ModelOptions;
import org.ingrain.sample.GeneratorConfig;
import picocli.CommandLine.Option;

/** How much is sampled at once. */
final class BatchFlags {
    private static final int BLOCK_SIZE = 32;
    private static final int DEFAULT_CONTEXT = 4096;

    @Option(names = "--context", paramLabel = "N", description = "Longest prompt and completion together, in tokens "
            + "(default: the model's own, 4096 at most).")
    Integer context;

    @Option(names = "--max-sequences", defaultValue = "32", paramLabel = "N", description = "Most samples in flight (default: ${DEFAULT-VALUE}).")
    int maxSequences;

    @Option(names = "--max-batch-tokens", defaultValue = "512", paramLabel = "N",
            description = "Most tokens computed in one step (default: ${DEFAULT-VALUE}).")
    int maxBatchTokens;

    @Option(names = "--cache-tokens", paramLabel = "N",
            description = "Tokens whose keys and values are kept (default: four full contexts).")
    Long cacheTokens;

    GeneratorConfig config(ModelOptions options) {
        int length = contextLength(options);
        long cache = cacheTokens == null ? 4L * length : cacheTokens;
        return new GeneratorConfig(cache, BLOCK_SIZE, maxBatchTokens, maxSequences, length, true, true);
    }

    /** Longest prompt and completion together. */
    int contextLength(ModelOptions options) {
        return context != null ? context : Math.min(ModelFolder.readConfig(options.model()).maxPositionEmbeddings(), DEFAULT_CONTEXT);
    }
}
