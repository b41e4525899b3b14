package org.ingrain.cli;

import java.util.concurrent.Callable;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@Command(name = "devices", description = "What this machine can compute on: a line per device.")
public final class DevicesCommand implements Callable<Integer> {
    @Option(names = "--json", description = "One JSON object a line.")
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

    private void show(String name, Backend backend, int device) {
        try (Context context = backend.context(new ContextOptions(device, 0, "auto"))) {
            String description = context.describe();
            if (json) {
                System.out.println(description);
                return;
            }
            JsonNode fields = JsonMapper.shared().readTree(description);
            System.out.printf("%-8s %s, %s, %d threads, %.1f of %.1f GiB free%n", name, fields.path("name").asString(""),
                    fields.path("isa").asString(""), fields.path("threads").asInt(0), context.memoryInfo().free() / 0x1p30,
                    context.memoryInfo().total() / 0x1p30);
        }
    }

    /** The instruction set a context uses. */
    public static String isa(Context context) {
        return JsonMapper.shared().readTree(context.describe()).path("isa").asString("");
    }
}
