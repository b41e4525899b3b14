package org.ingrain.model;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.ParameterTable.Site;
import org.ingrain.ops.Dropout;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;

/**
 * The LoRA adapters available to the sequences of one batch. Each adapter occupies a slot. For each module the bank
 * stores A (G, R, C), B (G, N, R) and scaling (G), all F32. Adapters of a smaller rank are padded with zeros; the sums
 * remain bitwise equal. A slot can be reloaded at any time. A tensor-parallel rank stores its own rows of B and all of
 * A. For the output head the rank stores all rows of B, because every rank has all logits.
 *
 * <p>For the embedding, u = A·x is a column of A. The bank therefore stores the transpose (G, V, R) of A, so that u is
 * a row. With several slots, each row of a step first gathers its u from every slot whose adapter adapts the embedding.
 * Then the u of the row's own slot is selected. A bias of B is computed like an additional adapter of rank 1 whose u is
 * 1 in every row.
 *
 * <p>If an adapter replaces parameters, the replacements have their own memory, and all rows of a step use them. A bank
 * for such an adapter therefore has only one slot, and every sequence must use the adapter.
 */
public final class AdapterBank {
    private final Context context;
    private final Limits limits;
    private final Ops ops;
    private final Tensor u;
    /** (maxTokens, 1) filled with ones; null if adapters may not have biases. */
    private final Tensor ones;
    /**
     * (G·maxTokens, R) the embedding's u from every slot; null if there is only one slot, or if the embedding is not
     * adapted.
     */
    private final Tensor candidates;
    /**
     * Buffers for an input x that is gathered from all ranks. Each has maxTokens rows of the width of the widest input
     * of a column-sharded projection. Null if there is only one rank.
     */
    private final Tensor gathered;
    private final Tensor whole;
    private final Map<Site, Slots> sites = new HashMap<>();
    /** The model's weights with the adapter's replacements; null if no parameter can be replaced. */
    private final Weights replacement;
    private boolean replaces;

    /**
     * The limits of the adapters that a bank can hold.
     *
     * @param slots  G, number of adapters
     * @param rank   R, maximum rank
     * @param tables the tables that adapters may adapt: the embedding, the output head, both or neither
     * @param biases whether adapters may have a bias of B
     * @param saved  names of the parameters that an adapter replaces; if there are any, {@code slots} must be 1
     */
    public record Limits(int slots, int rank, Set<Projection> tables, boolean biases, Set<String> saved) {
        public Limits {
            tables = Set.copyOf(tables);
            saved = Set.copyOf(saved);
            if (!saved.isEmpty() && slots != 1) {
                throw new IllegalArgumentException("an adapter that replaces parameters must be the only one");
            }
        }

        /** Limits for adapters of linear layers only. */
        public static Limits of(int slots, int rank) {
            return new Limits(slots, rank, Set.of(), false, Set.of());
        }

        /** The smallest limits that allow this adapter. */
        public static Limits of(Adapter adapter) {
            return of(List.of(adapter));
        }

        /**
         * Combines these limits with {@code other}: the larger number of slots, the larger rank, and all tables, biases
         * and saved parameters that either of the two limits allows.
         */
        public Limits or(Limits other) {
            return new Limits(Math.max(slots, other.slots), Math.max(rank, other.rank),
                    Stream.concat(tables.stream(), other.tables.stream()).collect(Collectors.toSet()),
                    biases || other.biases,
                    Stream.concat(saved.stream(), other.saved.stream()).collect(Collectors.toSet()));
        }

        /**
         * The smallest limits that allow these adapters, each in its own slot. An adapter that replaces parameters must
         * be the only adapter.
         */
        public static Limits of(List<Adapter> adapters) {
            List<LoraModule> modules = adapters.stream().flatMap(adapter -> adapter.modules().stream()).toList();
            return new Limits(adapters.size(), modules.stream().mapToInt(LoraModule::rank).max().orElse(1),
                    modules.stream().map(LoraModule::projection).filter(Projection::ofModel)
                            .collect(Collectors.toSet()),
                    modules.stream().anyMatch(module -> module.bias() != null),
                    adapters.stream().flatMap(adapter -> adapter.saved().keySet().stream())
                            .collect(Collectors.toSet()));
        }
    }

    /**
     * The adapters of one module. N is this rank's share of the rows; C is not sharded.
     *
     * @param a       (G, R, C); for the embedding (G, C, R)
     * @param b       (G, N, R)
     * @param bias    (G, N, 1), or null
     * @param scaling (G)
     * @param row     index, in the full B, of the first row that this rank holds
     * @param column  index of the module's first column in the output of the fused product
     * @param columns whether the module is column-sharded; if true, each rank has only some of the columns of x
     * @param adapted the slots whose adapter includes this module
     * @param biased  the slots whose adapter includes this module with a bias
     */
    private record Slots(Tensor a, Tensor b, Tensor bias, Tensor scaling, long row, long column, boolean columns,
            BitSet adapted, BitSet biased) {
    }

    /**
     * Allocates slots for adapters that adapt linear layers with a rank of at most {@code rank}, for steps of at most
     * {@code maxTokens} tokens.
     */
    public AdapterBank(Allocator memory, Weights weights, int slots, int rank, int maxTokens) {
        this(memory, weights, Limits.of(slots, rank), maxTokens);
    }

    /** Allocates slots for adapters within these limits, for steps of at most {@code maxTokens} tokens. */
    public AdapterBank(Allocator memory, Weights weights, Limits limits, int maxTokens) {
        context = memory.context();
        ops = new Ops(context);
        this.limits = limits;
        u = memory.allocate(DType.F32, maxTokens, limits.rank);
        ones = limits.biases ? memory.allocate(DType.F32, maxTokens, 1) : null;
        if (ones != null) {
            memory.initialize(ones, () -> filled(maxTokens));
        }
        candidates = limits.slots == 1 || !limits.tables.contains(Projection.EMBED_TOKENS) ? null
                : memory.allocateZero(DType.F32, (long) limits.slots * maxTokens, limits.rank);
        long widest = 0;
        for (Site site : weights.parameters().adaptable()) {
            if (!site.projection().ofModel() || limits.tables.contains(site.projection())) {
                Slots slots = allocate(memory, weights, site);
                sites.put(site, slots);
                widest = slots.columns ? Math.max(widest, weights.parameters().get(site).columns()) : widest;
            }
        }
        DType dtype = weights.precision().activations();
        gathered = widest == 0 ? null : memory.allocate(dtype, maxTokens, widest);
        whole = widest == 0 ? null : memory.allocate(dtype, maxTokens, widest);
        replacement = limits.saved.isEmpty() ? null : weights.replaced(memory, limits.saved);
    }

    private static float[] filled(int length) {
        float[] values = new float[length];
        Arrays.fill(values, 1);
        return values;
    }

    private Slots allocate(Allocator memory, Weights weights, Site site) {
        ParameterTable parameters = weights.parameters();
        Parameter w = parameters.get(site);
        Projection p = site.projection();
        Rank place = p.ofModel() ? Rank.SINGLE : weights.rank();
        boolean embedding = p == Projection.EMBED_TOKENS;
        long rows = embedding ? p.outputs(w) : w.rows(place);
        return new Slots(embedding ? memory.allocateZero(DType.F32, limits.slots, w.rows(), limits.rank)
                : memory.allocateZero(DType.F32, limits.slots, limits.rank, w.columns()),
                memory.allocateZero(DType.F32, limits.slots, rows, limits.rank),
                limits.biases ? memory.allocateZero(DType.F32, limits.slots, rows, 1) : null,
                memory.allocateZero(DType.F32, limits.slots), embedding ? 0 : w.firstRow(place),
                p.ofModel() ? 0 : parameters.firstRow(w, place), w.columns(place) < w.columns(), new BitSet(),
                new BitSet());
    }

    /**
     * Loads an adapter into a slot. The slot then contributes nothing to modules that the adapter does not adapt. A
     * step enqueues the ops of every module that is adapted in any slot. So a graph that was captured before the load
     * may have too few or too many ops for the next step.
     *
     * @throws InputException if the adapter is not within the limits; the slot is then unchanged
     */
    public void load(int slot, Adapter adapter) {
        if (!adapter.saved().isEmpty() && !adapter.saved().keySet().equals(limits.saved)) {
            throw new InputException("adapter: modules_to_save " + new TreeSet<>(adapter.saved().keySet())
                    + ", expected " + (limits.saved.isEmpty()
                            ? "none together with other adapters; merge the adapter first"
                            : "those of the first adapter, " + new TreeSet<>(limits.saved)));
        }
        adapter.modules().forEach(this::requireRoom);
        for (Slots s : sites.values()) {
            context.fillZero(s.scaling.rows(slot, slot + 1));
            s.adapted.clear(slot);
            s.biased.clear(slot);
        }
        adapter.modules().forEach(module -> load(slot, module));
        replaces = !adapter.saved().isEmpty();
        if (replaces) {
            replacement.loadReplaced(adapter.saved());
        }
    }

    private void load(int slot, LoraModule module) {
        Slots s = sites.get(new Site(module.layer(), module.projection()));
        context.write(s.a.rows(slot, slot + 1), module.projection() == Projection.EMBED_TOKENS ? transposed(module)
                : Arrays.copyOf(module.a(), Math.toIntExact(limits.rank * s.a.size(2))));
        int first = Math.toIntExact(s.row);
        int rows = Math.toIntExact(s.b.size(1));
        context.write(s.b.rows(slot, slot + 1), widen(module, first, rows));
        context.write(s.scaling.rows(slot, slot + 1), module.scaling());
        s.adapted.set(slot);
        if (s.bias != null) {
            context.write(s.bias.rows(slot, slot + 1), module.bias() == null ? new float[rows]
                    : Arrays.copyOfRange(module.bias(), first, first + rows));
            s.biased.set(slot, module.bias() != null);
        }
    }

    private void requireRoom(LoraModule module) {
        Slots s = sites.get(new Site(module.layer(), module.projection()));
        if (module.rank() > limits.rank || s == null || module.bias() != null && !limits.biases) {
            throw new InputException("adapter: rank " + module.rank() + (module.bias() == null ? "" : " and lora_bias")
                    + " of " + module.projection().module(module.layer()) + ", expected "
                    + (s == null ? "no such module" : "at most " + limits.rank
                    + (limits.biases ? "" : " and no bias")));
        }
    }

    private float[] widen(LoraModule module, int first, int rows) {
        float[] wide = new float[rows * limits.rank];
        for (int n = 0; n < rows; n++) {
            System.arraycopy(module.b(), (first + n) * module.rank(), wide, n * limits.rank, module.rank());
        }
        return wide;
    }

    /** Returns the transpose (V, R) of A (R, V), padded to the bank's rank. */
    private float[] transposed(LoraModule module) {
        int ids = module.a().length / module.rank();
        float[] table = new float[Math.multiplyExact(ids, limits.rank)];
        for (int r = 0; r < module.rank(); r++) {
            for (int id = 0; id < ids; id++) {
                table[id * limits.rank + r] = module.a()[r * ids + id];
            }
        }
        return table;
    }

    /** Whether the adapter of any slot includes this module. */
    boolean adapts(int layer, Projection projection) {
        Slots s = sites.get(new Site(layer, projection));
        return s != null && !s.adapted.isEmpty();
    }

    /** Returns the weights for all rows of a step: {@code weights}, or the copy with the adapter's replacements. */
    Weights weights(Weights weights) {
        return replaces ? replacement : weights;
    }

    /**
     * Adds the adapters' contribution for x (T, C) to y (T, N), at this module's columns. If the module is
     * column-sharded, the ranks gather x first, because a sum of the ranks' partial products would add the terms in a
     * different order than one rank does.
     */
    void apply(Site site, Tensor y, Tensor x, Step step) {
        Slots s = sites.get(site);
        Tensor slotOfRow = step.batch().adapterSlots().rows(0, x.size(0));
        Tensor down = u.rows(0, x.size(0));
        ops.loraDown(down, s.columns ? together(x, s.a.size(2), step) : x, s.a, slotOfRow, Dropout.NONE);
        up(s, s.column == 0 ? y : y.fromColumn(s.column), down, slotOfRow);
    }

    /** Adds the adapters' contribution to the logits (M, V). x (M, D) contains the step's logit rows. */
    void applyHead(Tensor logits, Tensor x, Step step) {
        Slots s = sites.get(Site.LM_HEAD);
        Tensor down = u.rows(0, x.size(0));
        ops.loraDown(down, x, s.a, step.logitSlots(), Dropout.NONE);
        up(s, logits, down, step.logitSlots());
    }

    /** Adds the adapters' contribution to the embeddings h (T, D) of the step's ids. */
    void applyEmbedding(Tensor h, Step step) {
        Slots s = sites.get(Site.EMBED_TOKENS);
        long t = h.size(0);
        Tensor down = u.rows(0, t);
        if (candidates == null) {
            ops.gatherRows(down, table(s, 0), step.ids());
        } else {
            s.adapted.stream().forEach(slot ->
                    ops.gatherRows(candidates.rows(slot * t, (slot + 1) * t), table(s, slot), step.ids()));
            ops.gatherRows(down, candidates.rows(0, limits.slots * t), step.slotRows());
        }
        up(s, h, down, step.batch().adapterSlots().rows(0, t));
    }

    /** Returns the transpose (V, R) of the embedding's A in this slot. */
    private static Tensor table(Slots s, int slot) {
        return s.a.rows(slot, slot + 1).view(s.a.size(1), s.a.size(2));
    }

    private void up(Slots s, Tensor y, Tensor down, Tensor slotOfRow) {
        ops.loraUp(y, down, s.b, s.scaling, slotOfRow);
        if (!s.biased.isEmpty()) {
            ops.loraUp(y, ones.rows(0, down.size(0)), s.bias, s.scaling, slotOfRow);
        }
    }

    private Tensor together(Tensor x, long columns, Step step) {
        Tensor y = whole.view(x.size(0), columns);
        Gathering.columns(ops, y, x, gathered, step.tokenOrder());
        return y;
    }

    public int slots() {
        return limits.slots;
    }

    /** The maximum adapter rank R. */
    public int rank() {
        return limits.rank;
    }
}
