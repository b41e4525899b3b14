package org.ingrain.engine;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.KernelLoading;

/** The devices of the options, in their order: first the ranks of the first copy, then those of the second, ... */
record Devices(Backend backend, ModelOptions options) {
    /** The name of the i-th device for the user, such as {@code cuda:1}. */
    static String name(ModelOptions options, int i) {
        return options.backend().equals("cpu") ? "cpu" : options.backend() + ":" + options.devices().get(i);
    }

    /**
     * Turns off lazy loading of kernels if several ranks use one GPU: loading a kernel waits for the device, and so for
     * other ranks. Call it before the first context is opened.
     */
    void prepare() {
        if (!options.backend().equals("cpu") && Set.copyOf(options.devices()).size() < options.devices().size()) {
            KernelLoading.eagerly();
        }
    }

    /** Opens the contexts of one copy of the model. */
    ModelCopy open(int copy, Placement placement) {
        int first = copy * placement.tensorParallelSize();
        List<Integer> own = IntStream.range(first, first + placement.tensorParallelSize()).boxed().toList();
        ModelCopy made = new ModelCopy(backend,
                own.stream().map(i -> options.context(i, placement.devices())).toList(),
                own.stream().map(i -> "rank " + i + " on " + name(options, i)).toList(), placement.devices() > 1);
        made.ranks().run(rank -> {
            made.contexts().get(rank).setDeterministic(options.deterministic());
            return null;
        });
        return made;
    }

    /** Whether every device has this many bytes free per rank. A device that is listed twice has two ranks. */
    boolean fit(ToLongFunction<Context> bytes) {
        Map<Integer, Long> uses = options.devices().stream().collect(
                Collectors.groupingBy(device -> device, Collectors.counting()));
        for (Map.Entry<Integer, Long> use : uses.entrySet()) {
            int i = options.devices().indexOf(use.getKey());
            try (Context context = backend.context(options.context(i, options.devices().size()))) {
                context.setDeterministic(options.deterministic());   // it decides on the size of partial sums
                if (use.getValue() * bytes.applyAsLong(context) > context.memoryInfo().free()) {
                    return false;
                }
            }
        }
        return true;
    }

    /**
     * The memory plan of each device.
     *
     * @param rank memory of one rank; all ranks need the same
     */
    static List<MemoryPlan> plans(ModelOptions options, List<ModelCopy> copies, List<MemoryPlan.Part> rank) {
        Map<String, Long> free = new LinkedHashMap<>();
        Map<String, Integer> ranks = new LinkedHashMap<>();
        int i = 0;
        for (ModelCopy copy : copies) {
            for (long bytes : copy.free()) {
                String name = name(options, Math.min(i++, options.devices().size() - 1));
                free.merge(name, bytes, Math::min);
                ranks.merge(name, 1, Integer::sum);
            }
        }
        List<MemoryPlan> plans = new ArrayList<>();
        free.forEach((name, bytes) -> {
            MemoryPlan plan = new MemoryPlan(name, ranks.get(name), bytes, List.of());
            for (MemoryPlan.Part part : rank) {
                plan = plan.with(part);
            }
            plans.add(plan);
        });
        return plans;
    }
}
