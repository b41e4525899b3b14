package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.ingrain.ffi.Emulator;
import org.ingrain.tensor.DType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests GPUs with 99 or 163 KB of shared memory per block instead of 227 KB. On such GPUs, ops use smaller tiles or a
 * fallback kernel. Calls of fallback kernels are counted.
 */
class SmallSharedMemoryTest {
    private static final int LARGEST = 227 << 10;

    static List<TestTarget> targets() {
        List<TestTarget> emulated = TestTarget.available().stream().filter(target -> target.name().startsWith("simt"))
                .toList();
        if (emulated.isEmpty()) {
            System.out.println("Skipped: no emulated GPU here");
        }
        return emulated;
    }

    @ParameterizedTest(name = "{1} KB on {0}", allowZeroInvocations = true)
    @MethodSource("cards")
    void pagedAttentionTakesSmallerTiles(TestTarget target, int kilobytes) {
        Emulator.configure(0, kilobytes << 10);
        try (ParityCheck lab = target.open()) {
            AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), DType.BF16, DType.BF16);
            assertEquals(Map.of(), lab.context().fallbacks());
        } finally {
            Emulator.configure(0, LARGEST);
        }
    }

    static List<Arguments> cards() {
        return targets().stream().flatMap(target -> Stream.of(99, 163)
                .map(kilobytes -> Arguments.of(target, kilobytes))).toList();
    }

    /**
     * Sets 64 KB, which is less than any GPU has. With 99 KB, a tile always fits unless a batch has more than about
     * 1,250 sequences.
     */
    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void pagedAttentionFallsBackWhereNoTileFits(TestTarget target) {
        Emulator.configure(0, 64 << 10);
        try (ParityCheck lab = target.open()) {
            AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), DType.BF16, DType.BF16);
            SortedMap<String, Long> fallbacks = lab.context().fallbacks();
            assertTrue(!fallbacks.isEmpty() && fallbacks.keySet().stream()
                    .allMatch(what -> what.startsWith("attention_paged_forward of ")), fallbacks::toString);
        } finally {
            Emulator.configure(0, LARGEST);
        }
    }
}
