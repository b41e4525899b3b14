package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Group;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.Projection;
import org.ingrain.ops.Dropout;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.CounterRandom;

/**
 * One adapter in training (arXiv:2106.09685). The adapter adapts the same projections in every layer, and optionally
 * the embedding and the output head. The initial values are those of PEFT. A is drawn uniformly from [-1/√C, 1/√C]
 * (Kaiming uniform with a = √5), and B is zero, so that the first forward pass equals that of the base model. For the
 * embedding, A is zero and B is normal(0, 1). A bias of B is zero at the start. The bias is computed like an additional
 * adapter of rank 1 whose u = A·x is 1 in every row.
 */
public final class LoraParameters implements Parameters {
    private static final long INIT = 2;
    private static final long DROPOUT = 3;

    private final Allocator.Scope memory;
    private final Context context;
    private final Ops ops;
    private final TrainingPlace place;
    private final LoraConfig lora;
    private final CounterRandom random;
    private final FlatParameters flat;
    private final List<LoraSites.Site> sites;
    /** The modules that change the output of each matmul; the key is the group of the matmul. */
    private final SortedMap<Group, List<Module>> modules = new TreeMap<>();
    /** Null if the embedding is not adapted. */
    private Module embedding;
    /**
     * (n) the gradients of one micro-batch for the embedding and the head; null if neither is adapted. A micro-batch
     * may add to these gradients more than once. Therefore they are first summed for each micro-batch, and this sum is
     * then added to the total. So the total does not depend on which replica computed which micro-batch.
     */
    private final Tensor apart;
    private final Map<FlatParameters.Slot, FlatParameters.Slot> apartSlots = new IdentityHashMap<>();
    /**
     * Two tensors (T, 1) for the biases of B: {@code ones} is filled with the value 1, and {@code unread} is scratch
     * memory for the gradient of {@code ones}, which is not used. Null if there are no biases.
     */
    private final Tensor ones;
    private final Tensor unread;
    /** (T, R) this rank's summand in a sum over ranks; null if the model is not sharded. */
    private final Tensor part;
    private final Tensor du;
    private final Tensor scaling;
    private final long elements;
    private CounterRandom pass;
    /** Index of the head's current chunk of rows in this pass, from 0. */
    private int chunk;

    /**
     * One adapted projection.
     *
     * @param column index, in the output of the fused matmul, of the first column of the projection's output
     * @param u      (T, R) x·Aᵀ, kept for the backward pass; recomputed layers share this memory
     */
    private record Module(LoraSites.Site site, long column, Tensor u) {
        LoraShare share() {
            return site.share();
        }

        /** Position of this rank's columns of A (1, R, ownColumns). */
        FlatParameters.Slot a() {
            return site.a();
        }

        /** Position of this rank's rows of B (1, ownRows, R). */
        FlatParameters.Slot b() {
            return site.b();
        }
    }

    public LoraParameters(Allocator allocator, TrainingPlace place, LoraConfig lora, long seed,
                          TrainingMemory training) {
        this.place = place;
        this.lora = lora;
        memory = new Allocator.Scope(allocator);
        context = memory.context();
        ops = new Ops(context);
        random = new CounterRandom(seed);
        LoraSites layout = LoraSites.of(place, lora);
        sites = layout.sites();
        elements = layout.elements();
        addModules(training);
        flat = new FlatParameters(memory, layout.layout(), place, false);
        long apartElements = placeApart();
        apart = apartElements == 0 ? null : memory.allocateZero(DType.F32, apartElements);
        ones = lora.loraBias() ? memory.allocate(DType.F32, training.limits().tokens(), 1) : null;
        unread = lora.loraBias() ? memory.allocate(DType.F32, training.limits().tokens(), 1) : null;
        part = place.shard().count() == 1 ? null : row(training);
        du = row(training);
        scaling = memory.allocate(DType.F32, 1);
        memory.initialize(scaling, () -> new float[] {lora.scaling()});
        if (ones != null) {
            memory.initialize(ones, () -> filled(training.limits().tokens()));
        }
        sites.forEach(site -> memory.initialize(
                flat.value(site.projection() == Projection.EMBED_TOKENS ? site.b() : site.a()),
                () -> LoraValues.first(site, random.derive(INIT, site.layer(), site.projection().ordinal()))));
    }

    private static float[] filled(int length) {
        float[] values = new float[length];
        Arrays.fill(values, 1);
        return values;
    }

    /**
     * Assigns slots in {@link #apart} to the gradients of the embedding and the head. Returns the number of their
     * elements.
     */
    private long placeApart() {
        FlatParameters.Layout layout = new FlatParameters.Layout();
        sites.stream().filter(site -> site.projection().ofModel())
                .flatMap(site -> Stream.of(site.a(), site.b(), site.bias())).filter(Objects::nonNull)
                .forEach(slot -> apartSlots.put(slot, layout.add(slot.shape())));
        return layout.elements();
    }

    private Tensor gradient(FlatParameters.Slot slot) {
        FlatParameters.Slot own = apartSlots.get(slot);
        return own == null ? flat.gradient(slot) : FlatParameters.piece(apart, own);
    }

    private void addModules(TrainingMemory training) {
        ParameterTable table = place.config().parameters();
        List<Map<Projection, Tensor>> kept = new ArrayList<>();
        for (int i = 0; i < training.keptLayers(); i++) {
            kept.add(lora.targetModules().stream().filter(p -> !p.ofModel())
                    .collect(Collectors.toMap(p -> p, p -> row(training))));
        }
        for (LoraSites.Site site : sites) {
            Parameter w = table.get(site.layer(), site.projection());
            boolean ofModel = site.projection().ofModel();
            Tensor u = ofModel ? row(training)
                    : kept.get(training.slot(place.config(), site.layer())).get(site.projection());
            Module module = new Module(site, ofModel ? 0 : table.firstRow(w, place.shard()), u);
            if (site.projection() == Projection.EMBED_TOKENS) {
                embedding = module;
            } else {
                modules.computeIfAbsent(w.group(), group -> new ArrayList<>()).add(module);
            }
        }
    }

    /** Allocates a tensor (T, R). */
    private Tensor row(TrainingMemory training) {
        return memory.allocate(DType.F32, training.limits().tokens(), lora.rank());
    }

    /**
     * Loads this rank's shard of an adapter's values, with which training then starts.
     *
     * @throws InputException if the rank, scaling, biases or modules of the adapter differ from those in training
     */
    public void load(List<LoraModule> adapter) {
        requireTrained(adapter, lora, place.config());
        values().load(adapter, sites);
    }

    /**
     * Checks that an adapter has the shape that {@code lora} describes, so that training can start with the adapter's
     * values.
     *
     * @throws InputException if the rank, scaling, biases or modules of the adapter differ from those that {@code lora}
     *         describes
     */
    public static void requireTrained(List<LoraModule> adapter, LoraConfig lora, Blueprint config) {
        LoraValues.requireTrained(adapter, lora, config);
    }

    private LoraValues values() {
        return new LoraValues(context, flat, lora);
    }

    /** The modules of the adapter with their current values, in the order of the forward pass. */
    public List<LoraModule> modules() {
        return modules(List.of(this));
    }

    /** Assembles the modules of the adapter from the shards of all ranks of one replica. */
    public static List<LoraModule> modules(List<LoraParameters> ranks) {
        return LoraValues.modules(ranks.stream().map(LoraParameters::values).toList(),
                ranks.stream().map(rank -> rank.sites).toList());
    }

    @Override
    public long elements() {
        return elements;
    }

    @Override
    public void addState(List<TrainedState.Builder> vectors) {
        for (int i = 0; i < vectors.size(); i++) {
            Tensor vector = flat.state().get(i);
            TrainedState.Builder builder = vectors.get(i);
            if (part == null) {
                builder.add(0, new TrainedState.Copy(context, vector));
                continue;
            }
            sites.forEach(site -> {
                add(builder, vector, site.wholeA(), site.a(), site.share().runsA());
                add(builder, vector, site.wholeB(), site.b(), site.share().runsB());
            });
        }
    }

    private void add(TrainedState.Builder builder, Tensor vector, long whole, FlatParameters.Slot slot,
            List<LoraShare.Run> runs) {
        runs.forEach(run -> builder.add(whole + run.whole(),
                new TrainedState.Copy(context, vector.slice(slot.offset() + run.own(), run.elements()))));
    }

    @Override
    public FlatParameters flat() {
        return flat;
    }

    @Override
    public void begin(int step, int microBatch) {
        pass = step == 0 ? null : random.derive(DROPOUT, step, microBatch);
        chunk = 0;
    }

    @Override
    public void end() {
        apartSlots.forEach((slot, own) -> {
            Tensor sum = flat.gradient(slot);
            Tensor part = FlatParameters.piece(apart, own);
            ops.addBias(sum.view(1, sum.elements()), part.view(part.elements()));
        });
        if (apart != null) {
            context.fillZero(apart);
        }
    }

    @Override
    public void embeddingForward(Tensor y, Tensor ids) {
        if (embedding != null) {
            Tensor u = embedding.u.rows(0, y.size(0));
            ops.gatherRows(u, flat.value(embedding.a()), ids);
            ops.loraUp(y, u, flat.value(embedding.b()), scaling, null);
        }
    }

    @Override
    public void embeddingBackward(Tensor dy, Tensor ids) {
        if (embedding != null) {
            Tensor gradient = du.rows(0, dy.size(0));
            ops.loraUpBackward(gradient, gradient(embedding.b()), dy, embedding.u.rows(0, dy.size(0)),
                    flat.value(embedding.b()), lora.scaling());
            ops.embeddingBackward(gradient(embedding.a()), gradient, ids);
        }
    }

    @Override
    public void forward(Group group, Tensor y, Tensor x) {
        for (Module m : of(group)) {
            Tensor u = m.u.rows(0, x.size(0));
            boolean summed = m.share().sharesColumns();
            ops.loraDown(summed ? part.rows(0, x.size(0)) : u, x, flat.value(m.a()), null, dropout(m));
            if (summed) {
                ops.allReduce(u, part.rows(0, x.size(0)), 1);
            }
            ops.loraUp(columns(y, m), u, flat.value(m.b()), scaling, null);
            if (ones != null) {
                ops.loraUp(columns(y, m), ones.rows(0, x.size(0)), flat.value(m.site.bias()), scaling, null);
            }
        }
    }

    @Override
    public void backward(Group group, Tensor dx, Tensor dy, Tensor x) {
        for (Module m : of(group)) {
            Tensor u = m.u.rows(0, x.size(0));
            Tensor gradient = du.rows(0, x.size(0));
            boolean summed = m.share().sharesRows();
            Tensor own = summed ? part.rows(0, x.size(0)) : gradient;
            ops.loraUpBackward(own, gradient(m.b()), columns(dy, m), u, flat.value(m.b()), lora.scaling());
            if (summed) {
                ops.allReduce(gradient, own, 1);
            }
            if (ones != null) {
                ops.loraUpBackward(unread.rows(0, x.size(0)), gradient(m.site.bias()), columns(dy, m),
                        ones.rows(0, x.size(0)), flat.value(m.site.bias()), lora.scaling());
            }
            ops.loraDownBackward(dx, gradient(m.a()), gradient, x, flat.value(m.a()), dropout(m));
        }
        if (group.equals(Group.LM_HEAD)) {
            chunk++;
        }
    }

    private List<Module> of(Group group) {
        return modules.getOrDefault(group, List.of());
    }

    private static Tensor columns(Tensor fused, Module m) {
        return m.column == 0 ? fused : fused.fromColumn(m.column);
    }

    private Dropout dropout(Module m) {
        if (pass == null || lora.dropout() == 0) {
            return Dropout.NONE;
        }
        int ordinal = m.site.projection().ordinal();
        long seed = m.site.projection().ofModel() ? pass.derive(m.site.layer(), ordinal, chunk).seed()
                : pass.derive(m.site.layer(), ordinal).seed();
        return new Dropout((float) lora.dropout(), seed, m.share().firstColumn(), m.share().columns());
    }

    @Override
    public Group lowest() {
        Group lowest = embedding != null ? Group.EMBED_TOKENS : modules.firstKey();
        return lowest.equals(Group.LM_HEAD) ? modules.keySet().stream().skip(1).findFirst()
                .orElse(Group.Role.DOWN_PROJ.of(place.config().numHiddenLayers())) : lowest;
    }

    @Override
    public void close() {
        memory.close();
    }
}
