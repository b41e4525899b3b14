package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of cuda/ladder. A rung is one version of an op's kernel. Every rung is compiled for the emulated GPU and used
 * in place of the built-in op. Then the parity checks of this op run in both thread orders. A rung may refuse the
 * dtypes of some checks as unsupported, but must support the dtypes of at least one check.
 */
@Tag("long")
class LadderTest {
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));
    private static final Path LADDER = ROOT.resolve("cuda/ladder");
    private static final int UNSUPPORTED = 3;
    /** Op and parity test of each ladder. */
    private static final Map<String, Climb> LADDERS = Map.of(
            "rms_norm", new Climb("rms_norm_forward", new RmsNormParityTest()),
            "decode_attention", new Climb("attention_paged_forward", new AttentionPagedParityTest()));

    private record Climb(String op, ParityTest test) {
    }

    @TempDir
    private Path folder;

    static List<Path> rungs() throws IOException {
        try (Stream<Path> files = Files.walk(LADDER)) {
            return files.filter(file -> file.toString().endsWith(".cu")).sorted().map(LADDER::relativize).toList();
        }
    }

    @Test
    void everyLadderHasRungsAndAPage() throws IOException {
        List<Path> rungs = rungs();
        for (String ladder : LADDERS.keySet()) {
            String page = Files.readString(LADDER.resolve(ladder).resolve("README.md"));
            List<String> steps = rungs.stream().filter(rung -> rung.startsWith(ladder))
                    .map(rung -> rung.getFileName().toString()).toList();
            assertTrue(steps.size() >= 3, () -> ladder + " has too few rungs: " + steps);
            assertEquals(List.of(), steps.stream().filter(step -> !page.contains(step)).toList(),
                    ladder + "/README.md does not name these rungs");
        }
        assertEquals(List.of(), rungs.stream().filter(rung -> !LADDERS.containsKey(rung.getName(0).toString()))
                .toList(), "rungs of no ladder");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rungs")
    void isRight(Path rung) throws Exception {
        Climb climb = LADDERS.get(rung.getName(0).toString());
        Path library = compile(LADDER.resolve(rung));
        List<Check> checks = climb.test().checks().stream().filter(check -> check.op().equals(climb.op())).toList();
        for (String order : List.of("ascending", "descending")) {
            TestTarget target = new TestTarget(rung + " " + order, library, library, new ContextOptions(0, 1, order));
            List<String> refusals = new ArrayList<>();
            for (Check check : checks) {
                try {
                    check.run(target);
                } catch (BackendException e) {
                    assertEquals(UNSUPPORTED, e.status(), () -> check + " on " + target + ": " + e.getMessage());
                    refusals.add(check + ": " + e.getMessage());
                }
            }
            assertTrue(refusals.size() < checks.size(), () -> target + " refuses every check: " + refusals);
        }
    }

    /** A deliberately wrong rung must fail its checks. This shows that the checks really run the rung. */
    @Test
    void aRungThatIsWrongFails() throws Exception {
        String right = Files.readString(LADDER.resolve("rms_norm/v1_naive.cu"));
        Path rung = Files.writeString(folder.resolve("wrong.cu"), right.replace("* r *", "* 1.02f * r *"));
        Path library = compile(rung);
        TestTarget target = new TestTarget("a wrong rung", library, library, new ContextOptions(0, 1, "ascending"));
        Check check = LADDERS.get("rms_norm").test().checks().getFirst();
        AssertionError error = assertThrows(AssertionError.class, () -> check.run(target));
        assertTrue(error.getMessage().startsWith("y "), error.getMessage());
    }

    /**
     * Compiles the rung to a library that can be opened as a backend. The library exports the rung's op and is linked
     * to the emulated backend for all other symbols.
     */
    private Path compile(Path rung) throws IOException, InterruptedException {
        Path simt = emulated();
        Path library = folder.resolve("libingrain_rung.so");
        List<String> command = new ArrayList<>(List.of(
                "g++", "-x", "c++", "-std=c++20", "-O2", "-mavx2", "-mfma", "-mf16c", "-ffp-contract=off",
                "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-fPIC",
                "-fvisibility=hidden", "-shared"));
        for (String include : List.of("cuda/simt/include", "native/include", "cuda/common")) {
            command.addAll(List.of("-I", ROOT.resolve(include).toString()));
        }
        command.addAll(List.of("-o", library.toString(), rung.toString(), "-x", "none", "-Wl,--no-undefined",
                "-Wl,--no-as-needed", simt.toString(), simt.resolveSibling("libsimt.so").toString(),
                "-Wl,-rpath," + simt.getParent()));
        Process compiler = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(compiler.getInputStream().readAllBytes());
        assertEquals(0, compiler.waitFor(), () -> rung + ": " + said);
        return library;
    }

    private static Path emulated() {
        try {
            return NativeLibraries.find("simt");
        } catch (InputException e) {
            System.out.println("Skipped: the ladder's rungs: " + e.getMessage());
            return abort(e.getMessage());
        }
    }
}
