package org.ingrain.sample;

import org.ingrain.tensor.InputException;

/**
 * Sizes of the batch and the cache.
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
    public GeneratorConfig {
        if (blockSize < 16 || blockSize % 16 != 0) {
            throw new InputException("block size: " + blockSize + ", expected a multiple of 16");
        }
        if (maxBatchTokens < 1 || maxSequences < 1 || contextLength < 2) {
            throw new InputException("batch of " + maxBatchTokens + " tokens, " + maxSequences + " sequences, context " + contextLength
                    + ": expected at least 1, 1 and 2");
        }
        if (maxBatchTokens < maxSequences) {
            throw new InputException("--max-batch-tokens: " + maxBatchTokens + ", expected at least --max-sequences " + maxSequences);
        }
        if (cacheTokens < contextLength) {
            throw new InputException("--cache-tokens: " + cacheTokens + ", expected at least the context length " + contextLength);
        }
        if (cacheTokens / blockSize >= Integer.MAX_VALUE) {
            throw new InputException("--cache-tokens: " + cacheTokens + ", expected fewer than " + (long) Integer.MAX_VALUE * blockSize);
        }
    }

    /** Blocks of the cache. */
    public int blocks() {
        return Math.toIntExact((cacheTokens + blockSize - 1) / blockSize);
    }

    /** Entries of a block table. */
    public int maxBlocks() {
        return (contextLength + blockSize - 1) / blockSize;
    }
}
