package org.ingrain.cli;

import java.lang.foreign.Arena;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Device;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "devices", description = {"Lists the devices of this machine, one line each.",
    "Further lines report matrix products of a GPU that fall back to another kernel or fail."},
        customSynopsis = "ingrain devices [OPTIONS]",
        footer = {
    "  ingrain devices",
    "  ingrain devices --json"})
public final class DevicesCommand implements Callable<Integer> {
    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print one JSON object per line.")
    private boolean json;

    @Override
    public Integer call() {
        for (String name : new String[] {"cpu", "cuda"}) {
            try (Backend backend = Backend.open(NativeLibraries.find(name))) {
                for (int i = 0; i < backend.deviceCount(); i++) {
                    show(name.equals("cpu") ? name : name + ":" + i, backend, i);
                }
            } catch (InputException absent) {
                System.err.println(name + ": not available (" + absent.getMessage() + ")");
            }
        }
        return 0;
    }

    void show(String name, Backend backend, int device) {
        try (Context context = backend.context(new ContextOptions(device, 0, "auto"))) {
            String missing = context.device().graphs() ? tryLibrary(context) : "";
            if (json) {
                System.out.println(context.describe());
                return;
            }
            Device found = context.device();
            System.out.printf(Locale.ROOT, "%-8s %s, %s, %d threads, %.1f of %.1f GiB free%n", name, found.name(),
                    found.isa(), found.threads(), context.memoryInfo().free() / 0x1p30,
                    context.memoryInfo().total() / 0x1p30);
            context.fallbacks().forEach((what, calls) ->
                    System.out.printf(Locale.ROOT, "%-8s falls back: %s%n", name, what));
            if (!missing.isEmpty()) {
                System.out.printf(Locale.ROOT, "%-8s matrix products of many rows fail: %s%n", name, missing);
            }
        }
    }

    /**
     * Computes a matrix product with enough rows for the device's matrix library. Returns the error message, or an
     * empty string if there is no error. If another kernel computes the product, that is not an error; the context
     * counts it as a fallback.
     */
    private static String tryLibrary(Context context) {
        int rows = 64;
        try (Arena arena = Arena.ofConfined()) {
            Tensor x = context.allocateZero(DType.BF16, rows, rows);
            new Ops(context).matmul(context.allocate(DType.BF16, rows, rows), x,
                    new Weight(arena, context.allocateZero(DType.BF16, rows, rows), null, Weight.Layout.ROW_MAJOR, rows,
                            rows, 0));
            context.synchronize();
            return "";
        } catch (BackendException e) {
            return e.getMessage();
        }
    }
}
