package org.ingrain.cli.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.cli.Run;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** {@code kernels --plan} shows the kernels that run for a shape. */
class KernelPlanTest {
    private static List<JsonNode> plan(Object... words) {
        List<Object> all = new ArrayList<>(List.of("kernels", "--json"));
        all.addAll(List.of(words));
        Run run = Run.of(all.toArray());
        assertEquals(0, run.status(), run.err());
        return run.out().lines().map(line -> Json.parse(line, "row")).toList();
    }

    private static String kernelsOfTheWideProduct(int rows) {
        return plan("--device", "simt", "--plan", "matmul_forward", "--sizes", "T=" + rows + ",N=64,C=4096").stream()
                .filter(row -> row.path("shape").asString().contains("packed 1 beta 0 BF16")).findFirst().orElseThrow()
                .path("kernels").toString();
    }

    @Test
    void fewRowsAndManyGetDifferentKernels() {
        assertTrue(kernelsOfTheWideProduct(8).contains("few_rows"), () -> kernelsOfTheWideProduct(8));
        assertTrue(kernelsOfTheWideProduct(17).contains("cublasLtMatmul (17, 4096) by (4096, 64)"),
                () -> kernelsOfTheWideProduct(17));
    }

    @Test
    void theCpuSaysItsInstructionSet() {
        for (JsonNode row : plan("--isa", "avx2", "--plan", "rms_norm", "--sizes", "T=3,D=64")) {
            assertEquals("[\"" + row.path("op").asString() + " avx2\"]", row.path("kernels").toString());
        }
    }

    @Test
    void anUnknownLetterIsNamed() {
        Run run = Run.of("kernels", "--plan", "rms_norm", "--sizes", "Q=3");
        assertEquals(2, run.status());
        assertEquals("ingrain: --sizes: Q, expected a size letter of the selected ops", run.complaint());
    }
}
