package org.ingrain.cli.flags;

import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.engine.ModelOptions;
import org.ingrain.sample.GeneratorConfig;
import picocli.CommandLine.Option;

/** How much is sampled at once. */
public final class BatchFlags {
    private static final int DEFAULT_CONTEXT = 4096;
    private static final int CPU_BATCH = 512;
    private static final int GPU_BATCH = 2048;

    @Option(names = "--context", paramLabel = "N", description = "Longest prompt and completion together, in tokens "
            + "(default: the model's own, 4096 at most).")
    Integer context;

    @Option(names = "--max-sequences", defaultValue = "32", paramLabel = "N", description = "Most samples in flight (default: ${DEFAULT-VALUE}).")
    public int maxSequences;

    @Option(names = "--max-batch-tokens", paramLabel = "N",
            description = "Most tokens computed in one step (default: 512, on a GPU 2048).")
    Integer maxBatchTokens;

    @Option(names = "--cache-tokens", paramLabel = "N",
            description = "Tokens whose keys and values are kept (default: four full contexts).")
    Long cacheTokens;

    public GeneratorConfig config(ModelOptions options) {
        int length = contextLength(options);
        int tokens = maxBatchTokens == null ? batchTokens(options, maxSequences) : maxBatchTokens;
        GeneratorConfig config = GeneratorConfig.of(length, maxSequences, tokens);
        return cacheTokens == null ? config : config.withCacheTokens(cacheTokens);
    }

    /** Tokens of a step where no flag says how many: a GPU has work for more, and each sample in flight needs one. */
    public static int batchTokens(ModelOptions options, int sequences) {
        return Math.max(options.backend().equals("cpu") ? CPU_BATCH : GPU_BATCH, sequences);
    }

    /** Longest prompt and completion together. */
    public int contextLength(ModelOptions options) {
        return context != null ? context : Math.min(ModelFolder.readConfig(options.model()).maxPositionEmbeddings(), DEFAULT_CONTEXT);
    }
}
