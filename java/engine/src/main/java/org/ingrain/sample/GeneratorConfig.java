package org.ingrain.sample;

import org.ingrain.model.Step;
import org.ingrain.tensor.InputException;

/**
 * Sizes of the batch and the cache. {@link #of} creates a configuration; each {@code with} method returns a copy with
 * one setting changed.
 *
 * @param cacheTokens    capacity of the cache in tokens, summed over all sequences; rounded up to whole blocks
 * @param blockSize      tokens per cache block, a multiple of 16
 * @param maxBatchTokens maximum number of tokens per step
 * @param maxSequences   maximum number of samples in flight
 * @param contextLength  maximum length of a sequence in tokens, prompt and completion together
 * @param prefixCache    whether the full blocks of finished samples stay cached for later requests with the same
 *                       prefix
 * @param sharePrefix    whether attention reads a block only once per step if several sequences with the same prefix
 *                       share the block
 */
public record GeneratorConfig(long cacheTokens, int blockSize, int maxBatchTokens, int maxSequences, int contextLength,
                              boolean prefixCache, boolean sharePrefix) {
    /** Default number of tokens per cache block. */
    public static final int BLOCK_SIZE = 32;
    /** Maximum number of prompt tokens that are scored in one step. */
    static final int MAX_SCORES = 64;

    public GeneratorConfig {
        if (blockSize < 16 || blockSize % 16 != 0) {
            throw InputException.field("blockSize", blockSize + ", expected a multiple of 16");
        }
        if (maxSequences < 1) {
            throw InputException.field("maxSequences", maxSequences + ", expected 1 or more");
        }
        if (contextLength < 2) {
            throw InputException.field("contextLength", contextLength + ", expected 2 or more");
        }
        if (maxBatchTokens < maxSequences) {
            throw InputException.field("maxBatchTokens", maxBatchTokens + ", expected at least maxSequences "
                    + maxSequences);
        }
        if (cacheTokens < contextLength) {
            throw InputException.field("cacheTokens", cacheTokens + ", expected at least contextLength "
                    + contextLength);
        }
        if (cacheTokens / blockSize >= Integer.MAX_VALUE) {
            throw InputException.field("cacheTokens", cacheTokens + ", expected fewer than "
                    + (long) Integer.MAX_VALUE * blockSize);
        }
    }

    /**
     * A configuration in which {@code prefixCache} and {@code sharePrefix} are true. The cache has room for four
     * sequences of maximum length.
     */
    public static GeneratorConfig of(int contextLength, int maxSequences, int maxBatchTokens) {
        return new GeneratorConfig(4L * contextLength, BLOCK_SIZE, maxBatchTokens, maxSequences, contextLength, true,
                true);
    }

    public GeneratorConfig withCacheTokens(long value) {
        return new GeneratorConfig(value, blockSize, maxBatchTokens, maxSequences, contextLength, prefixCache,
                sharePrefix);
    }

    public GeneratorConfig withBlockSize(int value) {
        return new GeneratorConfig(cacheTokens, value, maxBatchTokens, maxSequences, contextLength, prefixCache,
                sharePrefix);
    }

    public GeneratorConfig withPrefixCache(boolean value) {
        return new GeneratorConfig(cacheTokens, blockSize, maxBatchTokens, maxSequences, contextLength, value,
                sharePrefix);
    }

    public GeneratorConfig withSharePrefix(boolean value) {
        return new GeneratorConfig(cacheTokens, blockSize, maxBatchTokens, maxSequences, contextLength, prefixCache,
                value);
    }

    /** Number of cache blocks. */
    public int blocks() {
        return Math.toIntExact((cacheTokens + blockSize - 1) / blockSize);
    }

    /** Maximum number of entries in a block table. */
    public int maxBlocks() {
        return (contextLength + blockSize - 1) / blockSize;
    }

    /** The limits of a step for a model that is sharded over this number of ranks. */
    Step.Limits limits(int ranks) {
        return new Step.Limits(maxBatchTokens, maxSequences, maxSequences + MAX_SCORES, maxBlocks(), blockSize, ranks);
    }
}
