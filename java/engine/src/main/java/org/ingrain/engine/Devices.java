package org.ingrain.engine;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.KernelLoading;
import org.ingrain.tensor.InputException;

/**
 * The devices listed in the options, in the same order. The first devices belong to the first copy of the model, the
 * next devices to the second copy, and so on.
 */
record Devices(Backend backend, ModelOptions options) {
    /** The name of the i-th device in messages, such as {@code cuda:1}. */
    static String name(ModelOptions options, int i) {
        return options.backend().equals("cpu") ? "cpu" : options.backend() + ":" + options.devices().get(i);
    }

    private static String rank(ModelOptions options, int i) {
        return "rank " + i + " on " + name(options, i);
    }

    /**
     * The devices of the ranks, with one line per copy: {@code copy 1: rank 2 on cuda:2, rank 3 on cuda:3}. Ranks have
     * the same numbers as in messages. The lines also say which ranks need NCCL, because their devices have no peer
     * access. The list is empty if there is only one rank.
     */
    List<String> topology(Placement placement) {
        List<String> lines = new ArrayList<>();
        if (placement.devices() == 1) {
            return lines;
        }
        boolean whole = true;
        for (int copy = 0; copy < placement.dataParallelSize(); copy++) {
            Optional<String> apart = apart(ranks(copy, placement));
            whole &= apart.isEmpty();
            lines.add("copy " + copy + ": "
                    + ranks(copy, placement).stream().map(i -> rank(options, i)).collect(Collectors.joining(", "))
                    + apart.map(pair -> "; no peer access between " + pair + ", so NCCL computes all collectives")
                            .orElse(""));
        }
        if (whole) {
            apart(IntStream.range(0, placement.devices()).boxed().toList()).ifPresent(pair -> lines.add(
                    "no peer access between " + pair + ", so NCCL adds the gradients of the copies in training"));
        }
        return lines;
    }

    /** The numbers of the ranks of a copy. Ranks are numbered consecutively over all copies. */
    private static List<Integer> ranks(int copy, Placement placement) {
        int first = copy * placement.tensorParallelSize();
        return IntStream.range(first, first + placement.tensorParallelSize()).boxed().toList();
    }

    /** The names of two devices of these ranks without peer access to each other; empty if there are none. */
    private Optional<String> apart(List<Integer> ranks) {
        if (options.backend().equals("cpu")) {
            return Optional.empty();
        }
        return PeerAccess.of(options.backend(), backend)
                .apart(ranks.stream().map(options.devices()::get).distinct().toList());
    }

    /**
     * Checks that the ranks of each copy can compute collectives. If two devices of a copy have no peer access to each
     * other, only NCCL can compute collectives. NCCL does not fix the order of summation, and it allows only one rank
     * per device.
     *
     * @throws InputException if a copy needs NCCL, but results must be deterministic or two ranks of the copy share a
     *         device
     */
    void requireCollectives(Placement placement) {
        for (int copy = 0; copy < placement.dataParallelSize(); copy++) {
            List<Integer> ranks = ranks(copy, placement);
            Optional<String> apart = apart(ranks);
            if (apart.isPresent() && options.deterministic()) {
                throw InputException.field("deterministic", "true, expected false: no peer access between "
                        + apart.get() + ", so only NCCL can add their values, and its order of summation is not fixed");
            }
            if (apart.isPresent() && ranks.stream().map(options.devices()::get).distinct().count() < ranks.size()) {
                throw InputException.field("device", options.device() + ", expected each device once: no peer access "
                        + "between " + apart.get() + ", so NCCL is needed, which allows one rank per device");
            }
        }
    }

    /**
     * Disables lazy loading of kernels if several ranks use one GPU. Lazy loading may wait for all work on the device.
     * This work may include a kernel of another rank that waits for this rank, so the ranks would deadlock. Must be
     * called before a context is opened.
     */
    void prepare() {
        if (!options.backend().equals("cpu") && Set.copyOf(options.devices()).size() < options.devices().size()) {
            KernelLoading.eagerly();
        }
    }

    /** Opens the contexts of one copy of the model. */
    ModelCopy open(int copy, Placement placement) {
        List<Integer> own = ranks(copy, placement);
        ModelCopy made = new ModelCopy(backend,
                own.stream().map(i -> options.context(i, placement.devices())).toList(),
                own.stream().map(i -> rank(options, i)).toList(), placement.devices() > 1);
        made.ranks().run(rank -> {
            made.contexts().get(rank).setDeterministic(options.deterministic());
            return null;
        });
        return made;
    }

    /**
     * Whether every device has enough free memory for {@code bytes} per rank. A device that is listed twice has two
     * ranks.
     */
    boolean fit(ToLongFunction<Context> bytes) {
        Map<Integer, Long> uses = options.devices().stream().collect(
                Collectors.groupingBy(device -> device, Collectors.counting()));
        for (Map.Entry<Integer, Long> use : uses.entrySet()) {
            int i = options.devices().indexOf(use.getKey());
            try (Context context = backend.context(options.context(i, options.devices().size()))) {
                context.setDeterministic(options.deterministic());   // the setting determines the size of partial sums
                if (bytes.applyAsLong(context) > context.memoryInfo().free() / use.getValue()) {
                    return false;
                }
            }
        }
        return true;
    }

    /**
     * The memory plan of each device.
     *
     * @param weights memory for the weights of one rank. It is not counted for a rank that reads the weights of another
     *                copy. Null if the weights are already loaded
     * @param rank    all other memory of one rank, which is the same for every rank
     */
    static List<MemoryPlan> plans(ModelOptions options, List<ModelCopy> copies, MemoryPlan.Part weights,
            List<MemoryPlan.Part> rank) {
        Map<String, Long> free = new LinkedHashMap<>();
        Map<String, Integer> ranks = new LinkedHashMap<>();
        Map<String, Integer> owners = new LinkedHashMap<>();
        int i = 0;
        for (ModelCopy copy : copies) {
            int owner = Loading.owner(copies, copy) == copy ? 1 : 0;
            for (long bytes : copy.free()) {
                String name = name(options, Math.min(i++, options.devices().size() - 1));
                free.merge(name, bytes, Math::min);
                ranks.merge(name, 1, Integer::sum);
                owners.merge(name, owner, Integer::sum);
            }
        }
        List<MemoryPlan> plans = new ArrayList<>();
        free.forEach((name, bytes) -> {
            MemoryPlan plan = new MemoryPlan(name, ranks.get(name), bytes, List.of());
            plan = weights == null ? plan : plan.with(weights, owners.get(name));
            for (MemoryPlan.Part part : rank) {
                plan = plan.with(part);
            }
            plans.add(plan);
        });
        return plans;
    }
}
