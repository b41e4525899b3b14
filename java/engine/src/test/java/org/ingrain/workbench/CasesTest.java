package org.ingrain.workbench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ffi.Overlay;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests the cases of the kernel check. Every op has cases. The built-in ops pass them, and wrong ops fail them. */
class CasesTest {
    private static final Path CPU = NativeLibraries.find("cpu");

    private interface Trial {
        void with(Side.Computer right, Side.Computer other);
    }

    static List<Cases.Group> groups() {
        return Cases.of(Cases.Scale.of("simt"));
    }

    @Test
    void everyOpOfTheHeaderIsThere() {
        TreeSet<String> ops = new TreeSet<>();
        KernelCatalog.read().sources("cpu").forEach(source -> ops.addAll(source.ops()));
        assertEquals(ops, new TreeSet<>(groups().stream().map(Cases.Group::op).toList()));
        assertTrue(groups().stream().noneMatch(group -> group.compared().isEmpty() || group.timed().isEmpty()));
    }

    private static void sides(List<Overlay> overlays, Trial trial) {
        try (Backend oracle = Backend.open(CPU); Backend plain = Backend.open(CPU); Backend swapped = Backend.open(
                CPU, overlays)) {
            trial.with(new Side.Computer(oracle, oracle, new ContextOptions(0, 1, "avx2")),
                    new Side.Computer(plain, swapped, new ContextOptions(0, 2, "auto")));
        }
    }

    private static void hold(Case at, Side.Computer right, Side.Computer other) {
        try (Side oracle = right.open(null); Side side = other.open(oracle)) {
            Comparison.hold(at.op() + " at " + at.shape(), oracle, at.on(oracle), side, at.on(side));
        }
    }

    @ParameterizedTest
    @MethodSource("groups")
    void theBuiltInOpAgrees(Cases.Group group) {
        sides(List.of(), (right, other) -> {
            group.compared().forEach(at -> hold(at, right, other));
            group.timed().forEach(at -> hold(at, right, other));
        });
    }

    @ParameterizedTest
    @MethodSource("groups")
    void aWrongOpIsFound(Cases.Group group) {
        Path wrong = NativeLibraries.find("wrong");
        sides(List.of(new Overlay(wrong, wrong, List.of(group.op()))), (right, other) -> {
            List<String> found = group.compared().stream().map(at -> complaint(at, right, other))
                    .filter(text -> !text.isEmpty()).toList();
            assertFalse(found.isEmpty(), group.op() + " is slightly wrong but passes");
            assertTrue(found.getFirst().startsWith(group.op() + " at ") && found.getFirst().contains("expected"),
                    found.getFirst());
        });
    }

    private static String complaint(Case at, Side.Computer right, Side.Computer other) {
        try {
            hold(at, right, other);
            return "";
        } catch (InputException e) {
            return e.getMessage();
        }
    }

    @Test
    void theBoundIsReadOffTheOpeningComment() {
        KernelCatalog catalog = KernelCatalog.parse(List.of(
                "file native/ops/x.cc", "// x: nothing.", "// Needs    nothing   Bound  memory: 2 to 8·n   Oracle none",
                "op x_forward", "op x_backward", "file cuda/ops/x.cu", "// Bound    compute"));
        assertEquals(List.of("memory: 2 to 8·n"), catalog.sources("cpu").stream().map(KernelCatalog.Source::bound)
                .toList());
        assertEquals(List.of("x_forward", "x_backward"), catalog.ops("x"));
        assertEquals(List.of("x_backward"), catalog.ops("x_backward"));
        assertEquals("compute", catalog.sources("simt").getFirst().bound());
    }

    @Test
    void everyKernelSaysWhatBoundsIt() {
        assertEquals("", KernelCatalog.read().sources("cpu").stream().filter(source -> source.bound().isEmpty())
                .map(KernelCatalog.Source::file)
                .collect(Collectors.joining("\n")));
    }
}
