package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.ingrain.ffi.Emulator;
import org.ingrain.tensor.DType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Cards whose blocks have 99 or 163 KB of shared memory instead of 227: ops take what fits, or the plain kernel, and say so. */
class SmallSharedMemoryTest {
    private static final int LARGEST = 227 << 10;

    static List<TestTarget> targets() {
        List<TestTarget> emulated = TestTarget.available().stream().filter(target -> target.name().startsWith("simt")).toList();
        if (emulated.isEmpty()) {
            System.out.println("Skipped: no emulated GPU here");
        }
        return emulated;
    }

    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void pagedAttentionOfLargeHeadsFallsBack(TestTarget target) {
        Emulator.configure(0, 99 << 10);
        try (ParityCheck lab = target.open()) {
            AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), DType.BF16, DType.BF16);
            assertTrue(lab.context().fallbacks() > 0);
            assertTrue(lab.context().fallback().startsWith("attention_paged_forward of "), lab.context()::fallback);
        } finally {
            Emulator.configure(0, LARGEST);
        }
    }

    @ParameterizedTest(name = "on {0}", allowZeroInvocations = true)
    @MethodSource("targets")
    void anA100HasEnough(TestTarget target) {
        Emulator.configure(0, 163 << 10);
        try (ParityCheck lab = target.open()) {
            AttentionPagedParityTest.holds(lab, lab.ops(), lab.ops(), DType.BF16, DType.BF16);
            assertEquals(0, lab.context().fallbacks());
        } finally {
            Emulator.configure(0, LARGEST);
        }
    }
}
