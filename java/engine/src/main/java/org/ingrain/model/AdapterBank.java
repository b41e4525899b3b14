package org.ingrain.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;

/**
 * The LoRA adapters available to the sequences of one batch. Each adapter occupies a slot. For each layer and
 * projection the bank stores A (G, R, C), B (G, N, R) and scaling (G), all F32; G is the number of slots. Adapters of a
 * smaller rank are padded with zeros; the padding changes no bit of the results. A slot can be reloaded at any time. A
 * tensor-parallel rank stores its own rows of B and all of A.
 */
public final class AdapterBank {
    private final Context context;
    private final int slots;
    private final int rank;
    private final Ops ops;
    private final Tensor u;
    /** Two buffers of (maxTokens, widest input of a column-sharded projection) elements; null on a single rank. */
    private final Tensor gathered;
    private final Tensor whole;
    private final List<Map<Projection, Slots>> layers = new ArrayList<>();

    /** One projection of one layer. */
    record Site(int layer, Projection projection) {
    }

    /**
     * The adapters of one projection. N is this rank's share of the rows; C is not sharded.
     *
     * @param a       (G, R, C)
     * @param b       (G, N, R)
     * @param scaling (G)
     * @param row     the first row of the full B that this rank holds
     * @param column  the projection's first column in the output of the fused product
     * @param columns whether the projection is column-sharded; each rank then has only some columns of x
     * @param adapted the slots whose adapter includes this projection
     */
    private record Slots(Tensor a, Tensor b, Tensor scaling, long row, long column, boolean columns, BitSet adapted) {
    }

    /** Allocates slots for adapters of rank at most {@code rank}, for steps of at most {@code maxTokens} tokens. */
    public AdapterBank(Allocator memory, Weights weights, int slots, int rank, int maxTokens) {
        context = memory.context();
        ops = new Ops(context);
        this.slots = slots;
        this.rank = rank;
        u = memory.allocate(DType.F32, maxTokens, rank);
        ParameterTable parameters = weights.parameters();
        Rank place = weights.rank();
        long widest = 0;
        for (int i = 0; i < weights.layers().size(); i++) {
            Map<Projection, Slots> layer = new EnumMap<>(Projection.class);
            for (Projection p : Projection.values()) {
                Parameter w = parameters.get(i, p);
                boolean columns = w.columns(place) < w.columns();
                widest = columns ? Math.max(widest, w.columns()) : widest;
                layer.put(p, new Slots(memory.allocateZero(DType.F32, slots, rank, w.columns()),
                        memory.allocateZero(DType.F32, slots, w.rows(place), rank),
                        memory.allocateZero(DType.F32, slots), w.firstRow(place), parameters.firstRow(w, place),
                        columns, new BitSet()));
            }
            layers.add(layer);
        }
        DType dtype = weights.precision().activations();
        gathered = widest == 0 ? null : memory.allocate(dtype, maxTokens, widest);
        whole = widest == 0 ? null : memory.allocate(dtype, maxTokens, widest);
    }

    /**
     * Loads an adapter into a slot. The slot contributes nothing to projections that the adapter does not include. The
     * projections included by the adapter of any slot determine which ops a step enqueues, so a graph captured before
     * the load may no longer match.
     *
     * @throws InputException if the rank of the adapter exceeds that of the bank; the slot is then unchanged
     */
    public void load(int slot, List<LoraModule> adapter) {
        adapter.forEach(this::requireRank);
        for (Map<Projection, Slots> layer : layers) {
            for (Slots s : layer.values()) {
                context.fillZero(s.scaling.rows(slot, slot + 1));
                s.adapted.clear(slot);
            }
        }
        for (LoraModule module : adapter) {
            Slots s = layers.get(module.layer()).get(module.projection());
            context.write(s.a.rows(slot, slot + 1), Arrays.copyOf(module.a(), Math.toIntExact(rank * s.a.size(2))));
            context.write(s.b.rows(slot, slot + 1), widen(module, Math.toIntExact(s.row), Math.toIntExact(
                    s.b.size(1))));
            context.write(s.scaling.rows(slot, slot + 1), module.scaling());
            s.adapted.set(slot);
        }
    }

    private void requireRank(LoraModule module) {
        if (module.rank() > rank) {
            throw new InputException("adapter: rank " + module.rank() + " of layer " + module.layer() + " "
                    + module.projection().target() + ", expected at most " + rank);
        }
    }

    private float[] widen(LoraModule module, int first, int rows) {
        float[] wide = new float[rows * rank];
        for (int n = 0; n < rows; n++) {
            System.arraycopy(module.b(), (first + n) * module.rank(), wide, n * rank, module.rank());
        }
        return wide;
    }

    /** Whether the adapter of any slot includes this projection. */
    boolean adapts(int layer, Projection projection) {
        return !layers.get(layer).get(projection).adapted.isEmpty();
    }

    /**
     * Adds the adapters' contribution for x (T, C) to y (T, N), at this projection's columns. If the projection is
     * column-sharded, the ranks gather x first, because adding partial products would change the order of summation.
     */
    void apply(Site site, Tensor y, Tensor x, Step step) {
        Slots s = layers.get(site.layer).get(site.projection);
        Tensor slotOfRow = step.batch().adapterSlots().rows(0, x.size(0));
        Tensor down = u.rows(0, x.size(0));
        ops.loraDown(down, s.columns ? together(x, s.a.size(2), step) : x, s.a, slotOfRow, Ops.Dropout.NONE);
        ops.loraUp(s.column == 0 ? y : y.fromColumn(s.column), down, s.b, s.scaling, slotOfRow);
    }

    private Tensor together(Tensor x, long columns, Step step) {
        Tensor y = whole.view(x.size(0), columns);
        Gathering.columns(ops, y, x, gathered, step.tokenOrder());
        return y;
    }

    public int slots() {
        return slots;
    }

    /** The maximum adapter rank R. */
    public int rank() {
        return rank;
    }
}
