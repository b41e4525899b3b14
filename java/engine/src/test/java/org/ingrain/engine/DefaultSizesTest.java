package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.function.Function;
import org.ingrain.sample.GeneratorConfig;
import org.junit.jupiter.api.Test;

class DefaultSizesTest {
    private static final long WEIGHTS = 1000;

    /**
     * The memory plan of a device that needs {@code beside} bytes in addition to the weights; a cached token takes one
     * byte.
     */
    private static Function<GeneratorConfig, List<MemoryPlan>> device(long beside) {
        return sizes -> List.of(new MemoryPlan("cpu", 1, WEIGHTS + beside, List.of(
                new MemoryPlan.Part("weights", WEIGHTS), new MemoryPlan.Part("cache", sizes.cacheTokens()))));
    }

    @Test
    void asManySequencesAsAQuarterOfTheMemoryAllows() {
        DefaultSizes sizes = new DefaultSizes(2048, true);
        assertEquals(GeneratorConfig.of(2048, 128, 512).withCacheTokens(128 * 512),
                sizes.choose(device(4 * 128 * 512)));
        assertEquals(GeneratorConfig.of(2048, 64, 512).withCacheTokens(64 * 512),
                sizes.choose(device(4 * 128 * 512 - 1)));
        assertEquals(GeneratorConfig.of(2048, 32, 512), sizes.choose(device(4 * 64 * 512 - 1)));
        assertEquals(sizes.smallest(), sizes.choose(device(0)));
    }

    @Test
    void theDeviceWithTheLeastMemoryDecides() {
        Function<GeneratorConfig, List<MemoryPlan>> both = sizes -> List.of(
                device(1L << 30).apply(sizes).getFirst(), device(0).apply(sizes).getFirst());
        assertEquals(32, new DefaultSizes(2048, false).choose(both).maxSequences());
    }

    @Test
    void contextsAreShortOrAtMost4096() {
        assertEquals(GeneratorConfig.of(64, 128, 512).withCacheTokens(128 * 64),
                new DefaultSizes(64, true).choose(device(1L << 30)));
        assertEquals(GeneratorConfig.of(4096, 128, 2048).withCacheTokens(128 * 512),
                new DefaultSizes(1 << 20, false).choose(device(1L << 30)));
    }
}
