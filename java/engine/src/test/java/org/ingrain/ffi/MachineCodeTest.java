package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What ptxas made of kernels for sm_90a: the build writes {@code build/release/cubins} where there is nvcc. */
class MachineCodeTest {
    /** What the emulator takes every kernel's static shared memory for (simt::static_shared). */
    private static final long STATIC_SHARED = 1024;
    /** Of kernels that are launched with none that is dynamic, or little: launch.h asks for leave from 32 KB on. */
    private static final long WITHOUT_DYNAMIC = 16 << 10;

    private static Cubin cubin(String stem) throws IOException {
        Path file = Path.of(System.getProperty("ingrain.root", "../.."), "build/release/cubins", stem + ".cubin");
        if (!Files.exists(file)) {
            System.out.println("Skipped: no " + file + ": the build found no nvcc");
            abort("no cubins");
        }
        return new Cubin(file);
    }

    /**
     * A launch may have 48 KB with the static part unless it asks; what beside the static part is there is what a
     * kernel is allowed.
     */
    @ParameterizedTest
    @ValueSource(strings = {"sample", "lora", "attention_paged"})
    void kernelsWithDynamicSharedMemoryHaveLittleThatIsStatic(String stem) throws IOException {
        cubin(stem).staticShared().forEach((kernel, bytes) ->
                assertTrue(bytes <= (kernel.contains("plainly") || kernel.contains("token_sums")
                        ? WITHOUT_DYNAMIC : STATIC_SHARED), kernel + " has " + bytes + " bytes"));
    }

    /**
     * Of the kernels that are made for wide and for single accesses, as many store 16 bytes (8 of two-byte results of
     * four) as store one element.
     */
    @ParameterizedTest
    @ValueSource(strings = {"gather_rows", "silu_mul", "rope", "convert", "cross_entropy"})
    void wideKernelsStoreWideWords(String stem) throws IOException {
        Map<String, Map<String, Integer>> wide = new TreeMap<>(cubin(stem).accesses());
        wide.values().removeIf(accesses -> !accesses.containsKey("LDG.128"));
        assertFalse(wide.isEmpty(), "no kernel loads 16 bytes");
        wide.forEach((kernel, accesses) -> {
            if (accesses.keySet().stream().anyMatch(access -> access.startsWith("STG"))) {
                assertTrue(accesses.containsKey("STG.128") || accesses.containsKey("STG.64") || isStatistic(kernel),
                        kernel + ": " + accesses);
            }
        });
    }

    /** The forward pass of the loss stores a row's loss, no vectors. */
    private static boolean isStatistic(String kernel) {
        return kernel.contains("cross_entropy") && kernel.contains("forward");
    }

    @Test
    void nothingSpills() throws IOException {
        for (String stem : List.of("sample", "lora", "attention_paged", "gather_rows", "silu_mul", "rope",
                "cross_entropy")) {
            cubin(stem).accesses().forEach((kernel, accesses) -> assertEquals(0,
                    accesses.keySet().stream().filter(access -> access.startsWith("LDL") || access.startsWith("STL"))
                    .count(), kernel + ": " + accesses));
        }
    }
}
