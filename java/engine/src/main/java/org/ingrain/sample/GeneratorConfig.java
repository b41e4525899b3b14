package org.ingrain.sample;

import org.ingrain.model.Step;
import org.ingrain.tensor.InputException;

/**
 * Sizes of the batch and the cache. Made by {@link #of}, then changed one setting at a time.
 *
 * @param cacheTokens    tokens the cache holds over all sequences; rounded up to whole blocks
 * @param blockSize      tokens a cache block, a multiple of 16
 * @param maxBatchTokens most tokens a step computes
 * @param maxSequences   most samples in flight
 * @param contextLength  longest sequence, prompt and completion
 * @param prefixCache    keep the blocks of finished prompts for later requests that begin alike
 * @param sharePrefix    samples of a prompt, and prompts that begin alike, read their common blocks once
 */
public record GeneratorConfig(long cacheTokens, int blockSize, int maxBatchTokens, int maxSequences, int contextLength,
                              boolean prefixCache, boolean sharePrefix) {
    /** Tokens a cache block where nothing else is asked for. */
    public static final int BLOCK_SIZE = 32;
    /** Most prompt tokens that a step scores. */
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

    /** A cache of four contexts, prefixes kept and shared. */
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

    /** Blocks of the cache. */
    public int blocks() {
        return Math.toIntExact((cacheTokens + blockSize - 1) / blockSize);
    }

    /** Entries of a block table. */
    public int maxBlocks() {
        return (contextLength + blockSize - 1) / blockSize;
    }

    /** The largest step of a model that this many ranks share. */
    Step.Limits limits(int ranks) {
        return new Step.Limits(maxBatchTokens, maxSequences, maxSequences + MAX_SCORES, maxBlocks(), blockSize, ranks);
    }
}
