package org.ingrain.sample;

/**
 * The load of a generator.
 *
 * @param running      number of samples in the batch
 * @param usedBlocks   number of cache blocks that samples hold
 * @param blocks       number of cache blocks
 * @param preemptions  number of preemptions since creation; if no block is available, a sample is preempted: it loses
 *                     its blocks and is recomputed later
 * @param prefixTokens total length, in tokens, of all sequences that the generator has admitted to the batch; a
 *                     sequence that is admitted again after a preemption is counted again
 * @param prefixHits   number of these tokens that were found in the prefix cache
 */
public record GeneratorLoad(int running, int usedBlocks, int blocks, long preemptions, long prefixTokens,
                            long prefixHits) {
    static final GeneratorLoad NONE = new GeneratorLoad(0, 0, 0, 0, 0, 0);

    /** The sum of the loads of two replicas. */
    GeneratorLoad plus(GeneratorLoad other) {
        return new GeneratorLoad(running + other.running, usedBlocks + other.usedBlocks, blocks + other.blocks,
                preemptions + other.preemptions, prefixTokens + other.prefixTokens, prefixHits + other.prefixHits);
    }
}
