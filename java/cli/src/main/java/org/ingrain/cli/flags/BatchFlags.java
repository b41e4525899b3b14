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

    @Option(names = "--max-sequences", paramLabel = "N",
            description = "Maximum number of samples computed at once (default: 128; 64 or 32 if cache and "
            + "workspace of 128 samples need more than a quarter of the memory that the weights leave free).")
    Integer maxSequences;

    @Option(names = "--max-batch-tokens", paramLabel = "N",
            description = "Maximum number of tokens per step (default: 512, 2048 on a GPU, or "
            + "twice --max-sequences if that is more).")
    Integer maxBatchTokens;

    @Option(names = "--cache-tokens", paramLabel = "N",
            description = "Size of the key-value cache in tokens (default: 512 for each sample, "
            + "at least four times --context; with --max-sequences, exactly four times --context).")
    Long cacheTokens;

    /**
     * The generator settings from these flags. A flag that is not given has the engine's default, but the default
     * number of tokens per step is at least twice the number of sequences. So prompts get at least half of each step.
     */
    public GeneratorConfig config(Engine engine) {
        GeneratorConfig defaults = engine.defaults();
        int length = contextLength == null ? defaults.contextLength() : contextLength;
        int sequences = maxSequences == null ? defaults.maxSequences() : maxSequences;
        int tokens = maxBatchTokens == null ? Math.max(defaults.maxBatchTokens(), 2 * sequences) : maxBatchTokens;
        GeneratorConfig config = GeneratorConfig.of(length, sequences, tokens);
        if (cacheTokens == null && maxSequences == null) {
            long most = Math.min(defaults.cacheTokens(), (long) sequences * length);
            return config.withCacheTokens(Math.max(config.cacheTokens(), most));
        }
        return cacheTokens == null ? config : config.withCacheTokens(cacheTokens);
    }
}
