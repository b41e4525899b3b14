package org.ingrain.cli.flags;

import org.ingrain.engine.Engine;
import org.ingrain.sample.GeneratorConfig;
import picocli.CommandLine.Option;

/** Flags for the sizes of the generator's batch and cache. */
@Heading.Under(Heading.SAMPLING)
public final class BatchFlags {
    @Option(names = "--context", paramLabel = "N", description = "Context length: tokens of a prompt with its "
            + "completion (default: that of the model, at most 4096).")
    Integer contextLength;

    @Option(names = "--max-sequences", defaultValue = "32", paramLabel = "N",
            description = "Maximum number of samples computed at once (default: ${DEFAULT-VALUE}).")
    public int maxSequences;

    @Option(names = "--max-batch-tokens", paramLabel = "N",
            description = "Maximum number of tokens per step (default: 512; 2048 on a GPU).")
    Integer maxBatchTokens;

    @Option(names = "--cache-tokens", paramLabel = "N",
            description = "Size of the key-value cache in tokens (default: four times --context).")
    Long cacheTokens;

    /**
     * The generator settings from these flags. Flags that are not given have the engine's defaults; the default number
     * of tokens per step is at least one for each sequence.
     */
    public GeneratorConfig config(Engine engine) {
        GeneratorConfig defaults = engine.defaults();
        int length = contextLength == null ? defaults.contextLength() : contextLength;
        int tokens = maxBatchTokens == null ? Math.max(defaults.maxBatchTokens(), maxSequences) : maxBatchTokens;
        GeneratorConfig config = GeneratorConfig.of(length, maxSequences, tokens);
        return cacheTokens == null ? config : config.withCacheTokens(cacheTokens);
    }
}
