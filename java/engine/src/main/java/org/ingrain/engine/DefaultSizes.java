package org.ingrain.engine;

import java.util.List;
import java.util.function.Function;
import org.ingrain.sample.GeneratorConfig;

/**
 * The default sizes of a generator. More samples per batch reduce the time per token, in particular with a small model,
 * but need more memory for the cache and the workspace. The number of samples is the largest number in {@link
 * #SEQUENCES} with which the generator needs at most a quarter of the memory that the weights leave free. If even the
 * smallest number needs more memory, the smallest number is used. On the CPU, these sizes do not change results.
 */
final class DefaultSizes {
    private static final int CONTEXT = 4096;
    /** Possible numbers of samples per batch, in descending order. */
    private static final List<Integer> SEQUENCES = List.of(128, 64, 32);
    /** With more than 32 samples, the cache has at least this many tokens per sample, unless the context is shorter. */
    private static final int TOKENS = 512;
    private static final int SHARE = 4;
    private static final int CPU_BATCH = 512;
    private static final int GPU_BATCH = 2048;

    private final int contextLength;
    private final int batchTokens;

    /**
     * @param longest the model's maximum context
     * @param cpu     whether the device is a CPU
     */
    DefaultSizes(int longest, boolean cpu) {
        contextLength = Math.min(longest, CONTEXT);
        batchTokens = cpu ? CPU_BATCH : GPU_BATCH;
    }

    /** The sizes with the smallest number of samples. */
    GeneratorConfig smallest() {
        return GeneratorConfig.of(contextLength, SEQUENCES.getLast(), batchTokens);
    }

    /** @param plans returns the memory plans of all devices for a generator of the given sizes */
    GeneratorConfig choose(Function<GeneratorConfig, List<MemoryPlan>> plans) {
        for (int sequences : SEQUENCES) {
            GeneratorConfig sizes = sizes(sequences);
            if (plans.apply(sizes).stream().allMatch(DefaultSizes::fits)) {
                return sizes;
            }
        }
        return smallest();
    }

    private GeneratorConfig sizes(int sequences) {
        GeneratorConfig sizes = GeneratorConfig.of(contextLength, sequences, batchTokens);
        return sequences == SEQUENCES.getLast() ? sizes : sizes.withCacheTokens(
                Math.max(sizes.cacheTokens(), (long) sequences * Math.min(contextLength, TOKENS)));
    }

    private static boolean fits(MemoryPlan plan) {
        long generator = plan.parts().stream().filter(part -> Engine.GENERATOR.contains(part.name()))
                .mapToLong(MemoryPlan.Part::bytes).sum();
        return generator <= (plan.left() + generator) / SHARE;
    }
}
