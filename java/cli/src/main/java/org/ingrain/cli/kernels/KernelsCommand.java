package org.ingrain.cli.kernels;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.KernelFlags;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.Json;
import org.ingrain.workbench.KernelCatalog;
import org.ingrain.workbench.KernelFile;
import org.ingrain.workbench.KernelPlan;
import org.ingrain.workbench.Workbench;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "kernels", subcommands = {KernelsCheckCommand.class, KernelsProbe.class}, description = {
    "Lists the ops with their kernels, or checks your own kernels.",
    "Prints the backend, the source file and the bound (memory or compute) of each op."},
        customSynopsis = {"ingrain kernels [OPTIONS]", "ingrain kernels check [OPTIONS] OP=FILE..."},
        footer = {
    "  ingrain kernels",
    "  ingrain kernels --plan matmul_forward --sizes T=17",
    "  ingrain kernels check rms_norm=my.cc"})
public final class KernelsCommand implements Callable<Integer> {
    @Mixin
    private DeviceFlags device;

    @Mixin
    private KernelFlags kernels;

    @Under(Heading.OUTPUT)
    @Option(names = "--plan", arity = "0..1", fallbackValue = "", paramLabel = "OP",
            description = "Print the kernels that each op (or only OP) launches at the shapes of 'kernels check'.")
    private String plan;

    @Under(Heading.OUTPUT)
    @Option(names = "--sizes", split = ",", paramLabel = "LETTER=N",
            description = "With --plan: other sizes, such as T=17,C=8192 (letters as in ingrain.h).")
    private Map<String, Integer> sizes = Map.of();

    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print one JSON object per line.")
    private boolean json;

    /**
     * A line of the table of ops.
     *
     * @param op      name of the op in the header
     * @param backend backend of the kernel, or "yours" for a kernel of the user
     * @param file    source file of the kernel
     * @param bound   the bound (memory or compute) that the source file states; empty for a kernel of the user
     */
    private record Row(String op, String backend, String file, String bound) {
    }

    @Override
    public Integer call() {
        String backend = device.backend();
        if (plan != null) {
            return plan(backend);
        }
        SortedMap<String, Path> yours = yours();
        List<Row> rows = new ArrayList<>();
        for (KernelCatalog.Source source : KernelCatalog.read().sources(backend)) {
            for (String op : source.ops()) {
                rows.add(yours.containsKey(op) ? new Row(op, "yours", yours.get(op).toString(), "")
                        : new Row(op, backend, source.file(), source.bound()));
            }
        }
        if (json) {
            rows.forEach(row -> System.out.println(Json.line(row)));
            return 0;
        }
        int op = width(rows.stream().map(Row::op).toList(), "op");
        int file = width(rows.stream().map(Row::file).toList(), "file");
        String format = "%-" + op + "s  %-7s  %-" + file + "s  %s%n";
        System.out.printf(Locale.ROOT, format, "op", "backend", "file", "bound");
        rows.forEach(row -> System.out.printf(Locale.ROOT, format, row.op(), row.backend(), row.file(), row.bound()));
        return 0;
    }

    private int plan(String backend) {
        Set<String> ops = plan.isEmpty() ? Set.of() : Set.copyOf(KernelCatalog.read().ops(plan));
        for (KernelPlan.Row row : KernelPlan.of(backend, device.context(), ops, sizes)) {
            System.out.println(json ? Json.line(row) : row.op() + " " + row.shape() + "\n  "
                    + String.join("\n  ", row.kernels()));
        }
        return 0;
    }

    private SortedMap<String, Path> yours() {
        List<KernelFile> files = kernels.files();
        if (files.isEmpty()) {
            return new TreeMap<>();
        }
        try (Backend swapped = Workbench.open(NativeLibraries.find(device.backend()), files)) {
            return swapped.overlaid();
        }
    }

    private static int width(List<String> words, String title) {
        return Math.max(title.length(), words.stream().mapToInt(String::length).max().orElse(0));
    }
}
