package org.ingrain.cli.flags;

import org.ingrain.engine.Engine;
import org.ingrain.sample.GeneratorConfig;
import picocli.CommandLine.Option;

/** How much is sampled at once. */
public final class BatchFlags {
    @Option(names = "--context", paramLabel = "N", description = "Longest prompt and completion together, in tokens "
            + "(default: the model's own, 4096 at most).")
    Integer contextLength;

    @Option(names = "--max-sequences", defaultValue = "32", paramLabel = "N",
            description = "Most samples in flight (default: ${DEFAULT-VALUE}).")
    public int maxSequences;

    @Option(names = "--max-batch-tokens", paramLabel = "N",
            description = "Most tokens computed in one step (default: 512, on a GPU 2048).")
    Integer maxBatchTokens;

    @Option(names = "--cache-tokens", paramLabel = "N",
            description = "Tokens whose keys and values are kept (default: four full contexts).")
    Long cacheTokens;

    /** What the flags say, and the engine's defaults; each sample in flight needs a token of a step. */
    public GeneratorConfig config(Engine engine) {
        GeneratorConfig defaults = engine.defaults();
        int length = contextLength == null ? defaults.contextLength() : contextLength;
        int tokens = maxBatchTokens == null ? Math.max(defaults.maxBatchTokens(), maxSequences) : maxBatchTokens;
        GeneratorConfig config = GeneratorConfig.of(length, maxSequences, tokens);
        return cacheTokens == null ? config : config.withCacheTokens(cacheTokens);
    }
}
