package org.ingrain.workbench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/** Lists the kernels that a backend launches for an op at a shape. Runs each op once with tracing on. */
public final class KernelPlan {
    private KernelPlan() {
    }

    /**
     * The kernels of an op at a shape.
     *
     * @param op      name of the op in the header
     * @param shape   sizes and dtype, such as "T 7 D 127 F32"
     * @param kernels the launched kernels in launch order, or the single line "refused: MESSAGE" if the op does not
     *                support the shape
     */
    public record Row(String op, String shape, List<String> kernels) {
    }

    /**
     * Returns one row for each of the given ops at each shape of {@link KernelCheck}.
     *
     * @param backend name of the backend: cpu, cuda or simt
     * @param ops     names of the ops in the header; empty for all ops
     * @param sizes   sizes that replace sizes of the check; the keys are letters of the header, such as T
     * @throws InputException if a letter of {@code sizes} is not a size of any selected op
     */
    public static List<Row> of(String backend, ContextOptions options, Set<String> ops, Map<String, Integer> sizes) {
        List<Cases.Group> groups = Cases.of(Cases.Scale.of(backend)).stream()
                .filter(group -> ops.isEmpty() || ops.contains(group.op())).toList();
        for (String letter : sizes.keySet()) {
            if (groups.stream().flatMap(KernelPlan::cases).noneMatch(at -> at.letters().contains(letter))) {
                throw InputException.field("sizes", letter + ", expected a size letter of the selected ops");
            }
        }
        try (Backend library = Backend.open(NativeLibraries.find(backend))) {
            Side.Computer computer = new Side.Computer(library, library, options);
            Map<String, Row> rows = new LinkedHashMap<>();
            for (Case at : groups.stream().flatMap(KernelPlan::cases).map(at -> at.with(sizes)).toList()) {
                rows.computeIfAbsent(at.op() + " " + at.shape(), key -> row(computer, at));
            }
            return new ArrayList<>(rows.values());
        }
    }

    private static Stream<Case> cases(Cases.Group group) {
        return Stream.concat(group.compared().stream(), group.timed().stream());
    }

    /** Removes the kernel's return type, parameters and anonymous namespace from a line of the trace. */
    private static String brief(String kernel) {
        String named = kernel.replace("(anonymous namespace)::", "").replaceFirst("^void ", "");
        int grid = named.lastIndexOf(" grid ");
        int parameters = named.lastIndexOf(">(", grid) + 1;
        return grid < 0 || parameters == 0 ? named : named.substring(0, parameters) + named.substring(grid);
    }

    private static Row row(Side.Computer computer, Case at) {
        try (Side side = computer.open(null)) {
            Call call = at.on(side);
            List<String> kernels = side.context().trace(call.run()).stream().map(KernelPlan::brief).toList();
            return new Row(at.op(), at.shape(), kernels);
        } catch (BackendException e) {
            return new Row(at.op(), at.shape(), List.of("refused: " + e.getMessage()));
        }
    }
}
