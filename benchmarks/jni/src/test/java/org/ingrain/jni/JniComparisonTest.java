package org.ingrain.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.jni.JniComparison.Plan;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the whole comparison on the CPU backend and on stubs of libcuda and libcublas (src/test/c), which the test
 * compiles. JCuda's libraries find a stub by its soname, because the stub is loaded before them.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class JniComparisonTest {
    private static final List<String> CALLS =
            List.of("cuDriverGetVersion", "ingrain_weight_bytes", "cuLaunchKernel",
            "ingrain_rms_norm_forward, 1 x " + Ingrain.WIDTH);
    private static final List<String> PRODUCTS = List.of("small, 3 rows", "small, 20 rows");

    private Path folder;
    private Path cuda;
    private Path cublas;

    @BeforeAll
    void compileTheStandIns(@TempDir Path folder) throws IOException, InterruptedException {
        this.folder = folder;
        boolean gcc = Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(place -> Files.isExecutable(Path.of(place, "gcc")));
        if (!gcc) {
            System.out.println(
                    "JniComparisonTest is skipped: no gcc on the PATH; the test needs gcc to compile the stubs of "
                    + "libcuda and libcublas");
        }
        assumeTrue(gcc, "Skipped: no gcc on the PATH");
        cuda = compile("cuda", "libcuda.so.1", "libcuda.so.1");
        cublas = compile("cublas", "libcublas.so.12", "libcublas.so.12");
        // JCuda uses the library that it opens first until the process ends, so the stub is opened before all tests.
        assertNotNull(JniComparison.open(cuda.toString()));
    }

    @Test
    void bothWaysAgree() throws Throwable {
        List<Map<String, Object>> rows = compare(cuda, cublas);
        assertEquals(Stream.concat(CALLS.stream(), PRODUCTS.stream()).toList(), tests(rows));
        rows.forEach(row -> assertEquals("passed", row.get("result"), row::toString));
        for (Map<String, Object> row : rows) {
            assertNotNull(row.get("Panama ns"), row::toString);
            assertEquals(row.get("test").toString().startsWith("ingrain_"), row.get("JCuda ns") == null, row::toString);
        }
    }

    @Test
    void withoutCublasTheProductsSaySo() throws Throwable {
        List<Map<String, Object>> rows = compare(cuda, folder.resolve("absent/libcublas.so.12"));
        List<Map<String, Object>> products = rows.subList(CALLS.size(), rows.size());
        assertEquals(PRODUCTS, tests(products));
        for (Map<String, Object> row : products) {
            assertTrue(row.get("result").toString().startsWith("skipped: JCublas 12 needs libcublas.so.12"),
                    row::toString);
            assertNull(row.get("JCuda ns"), row::toString);
            assertNotNull(row.get("Panama ns"), row::toString);
        }
    }

    @Test
    void resultsThatDifferFail() throws Throwable {
        List<Map<String, Object>> rows = compare(compile("cuda", "libother.so", "libother.so", "-DVERSION=13000"),
                cublas);
        assertEquals("FAILED", rows.getFirst().get("result"));
        assertEquals("JCuda reports version 12000, Panama 13000", rows.getFirst().get("why"));
        try (Arena arena = Arena.ofConfined()) {
            Product product = Product.of(8, 8, 8, arena);
            assertEquals(0, Product.distance(product.x(), product.x()));
            assertTrue(Product.distance(product.w(), product.x()) > 0.5);
        }
    }

    @Test
    void aLibcudaThatIsAbsentIsNamed() {
        Path absent = folder.resolve("absent/libcuda.so.1");
        assertEquals(absent + ": cannot be loaded; is the NVIDIA driver installed?",
                assertThrows(InputException.class, () -> compare(absent, cublas)).getMessage());
    }

    private Path compile(String source, String soname, String name, String... more)
            throws IOException, InterruptedException {
        Path library = folder.resolve(name);
        // JCublas looks up symbols with a version, and this version is the soname of cuBLAS.
        List<String> command = new ArrayList<>(List.of("gcc", "-O2", "-shared", "-fPIC", "-Wl,-soname," + soname,
                "-Wl,--default-symver", Path.of("src/test/c", source + ".c").toString(), "-o", library.toString()));
        command.addAll(List.of(more));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        return library;
    }

    private static List<Map<String, Object>> compare(Path cuda, Path cublas) throws Throwable {
        List<Map<String, Object>> rows = new ArrayList<>();
        JniComparison.run(Plan.of("cpu", cuda.toString(), cublas.toString(), "3,20", "small:96:64"), rows::add);
        return rows;
    }

    private static List<Object> tests(List<Map<String, Object>> rows) {
        return rows.stream().map(row -> row.get("test")).toList();
    }
}
