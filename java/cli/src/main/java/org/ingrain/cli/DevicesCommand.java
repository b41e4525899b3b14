package org.ingrain.cli;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.engine.Engine;
import org.ingrain.engine.MemoryPlan;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.PeerAccess;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Device;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.Json;
import org.ingrain.ops.Ops;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.TrainingMemory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ObjectNode;

@Command(name = "devices", description = {"Lists the devices of this machine, one line each.",
    "Further lines report matrix products of a GPU that fall back to another kernel or fail, and",
    "which GPUs can access each other's memory (peer access). Ranks without peer access need NCCL.",
    "With --model: the part of the model on each device, and the memory that it needs there. Nothing is loaded."},
        customSynopsis = "ingrain devices [OPTIONS]",
        footer = {
    "  ingrain devices",
    "  ingrain devices --json",
    "  ingrain devices --model llama-2-70b --device cuda:0,1,2,3"})
public final class DevicesCommand implements Callable<Integer> {
    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print one JSON object per line.")
    private boolean json;

    @Under(Heading.MODEL)
    @Option(names = "--model", paramLabel = "DIR",
            description = "Hugging Face folder, or a config.json, of the model to plan for.")
    private Path model;

    @Under(Heading.MODEL)
    @Option(names = "--dtype", defaultValue = "auto", paramLabel = "TYPE",
            description = "Type of the model's weights: f32, bf16, fp8 (GPU only), int8, int4 or auto "
            + "(default: ${DEFAULT-VALUE}).")
    private String dtype;

    @Under(Heading.TRAINING)
    @Option(names = "--rank", defaultValue = "16", paramLabel = "R",
            description = "Rank of the two adapters in the plan. One is for sampling, the other is trained on rows as "
            + "long as the context. Both adapt all projections (default: ${DEFAULT-VALUE}).")
    private int rank;

    @Mixin
    private BatchFlags batch;

    @Mixin
    private DeviceFlags devices;

    @Override
    public Integer call() {
        if (model != null) {
            plan();
            return 0;
        }
        for (String name : new String[] {"cpu", "cuda"}) {
            try (Backend backend = Backend.open(NativeLibraries.find(name))) {
                showAll(name, backend);
            } catch (InputException absent) {
                System.err.println(name + ": not available (" + absent.getMessage() + ")");
            }
        }
        return 0;
    }

    /** Prints the placement and the memory plan of a model, then fails if the model does not fit. */
    private void plan() {
        if (json) {
            throw new InputException("--json: given with --model, expected one of them");
        }
        ModelOptions given = devices.options(model, dtype);
        try (Engine engine = Engine.open(Files.isRegularFile(model) ? given.withRandomWeights(0) : given)) {
            GeneratorConfig sizes = batch.config(engine);
            int tokens = sizes.contextLength();
            MemoryPlan.Part training = engine.room(LoraConfig.of(rank, rank),
                    TrainingMemory.least(new MicroBatchLimits(tokens, 1, tokens)));
            List<MemoryPlan> plans = engine.plan(sizes, 1, rank).stream().map(plan -> plan.with(training)).toList();
            System.out.print(PlacementText.of(engine, plans));
            PlacementText.requireRoom(engine, plans);
        }
    }

    /** Shows each device of a backend, and which devices have peer access. */
    void showAll(String name, Backend backend) {
        int devices = backend.deviceCount();
        for (int i = 0; i < devices; i++) {
            show(name.equals("cpu") ? name : name + ":" + i, backend, i);
        }
        if (!json) {
            PeerAccess.of(name, backend).lines(devices).forEach(System.out::println);
        }
    }

    void show(String name, Backend backend, int device) {
        try (Context context = backend.context(new ContextOptions(device, 0, "auto"))) {
            String missing = context.device().graphs() ? tryLibrary(context) : "";
            if (json) {
                ObjectNode fields = (ObjectNode) Json.parse(context.describe(), "describe");
                fields.putPOJO("peers", PeerAccess.of(name, backend).peers(device, backend.deviceCount()));
                System.out.println(Json.line(fields));
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
     * counts this call as a fallback.
     */
    private static String tryLibrary(Context context) {
        int rows = 64;
        try (Arena arena = Arena.ofConfined()) {
            Tensor x = context.allocateZero(DType.BF16, rows, rows);
            new Ops(context).matmul(context.allocate(DType.BF16, rows, rows), x,
                    new Weight(arena, Weight.Format.of(DType.BF16, Weight.Layout.ROW_MAJOR),
                            context.allocateZero(DType.BF16, rows, rows), null, rows, rows, 0));
            context.synchronize();
            return "";
        } catch (BackendException e) {
            return e.getMessage();
        }
    }
}
