package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
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
    /** The CUDA kernels of {@link Ops#loraDown} read x only once if its rank is at most this number. */
    private static final int JOINT_RANK = 64;
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
    private final SortedMap<Group, Modules> modules = new TreeMap<>();
    /** Null if the embedding is not adapted. */
    private Run embedding;
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
    /** (T·R·most modules of a run) this rank's summand in a sum over ranks; null if the model is not sharded. */
    private final Tensor part;
    /** (T·R·most modules of a run) */
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
     */
    private record Module(LoraSites.Site site, long column) {
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

    /**
     * Modules with the same input x, whose n matrices A are computed like one matrix with n·R rows.
     *
     * @param a      position of this rank's columns of these matrices (1, n·R, ownColumns)
     * @param memory (T·n·R) memory of u = x·Aᵀ, which is kept for the backward pass; recomputed layers share it
     */
    private record Run(List<Module> modules, FlatParameters.Slot a, Tensor memory) {
        /** The first t rows of a matrix (T, n·R) in {@code space}. */
        Tensor rows(Tensor space, long t) {
            return space.view(t, modules.size() * (long) modules.getFirst().share().r());
        }
    }

    /**
     * The modules that change the output of one matmul.
     *
     * @param single one run for each module
     * @param joint  one run for all modules; null if there is only one module, if the A are not adjacent, or if their
     *               rank together is larger than {@link #JOINT_RANK}
     */
    private record Modules(List<Run> single, Run joint) {
        /** @param memory (T·n·R) memory of u for n modules */
        static Modules of(List<Module> modules, Tensor memory) {
            long each = memory.elements() / modules.size();
            List<Run> single = new ArrayList<>();
            boolean adjacent = modules.size() > 1;
            long end = modules.getFirst().a().offset();
            for (Module m : modules) {
                single.add(new Run(List.of(m), m.a(), memory.slice(single.size() * each, each)));
                adjacent &= m.a().offset() == end;
                end += m.share().r() * m.share().ownColumns();
            }
            LoraShare share = modules.getFirst().share();
            int rank = share.r() * modules.size();
            return new Modules(single, !adjacent || rank > JOINT_RANK ? null : new Run(modules,
                    new FlatParameters.Slot(modules.getFirst().a().offset(), 1, rank, share.ownColumns()), memory));
        }

        int most() {
            return joint == null ? 1 : joint.modules.size();
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
        int most = modules.values().stream().mapToInt(Modules::most).max().orElse(1);
        part = place.shard().count() == 1 ? null : row(training, most);
        du = row(training, most);
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
        SortedMap<Group, List<Module>> all = new TreeMap<>();
        for (LoraSites.Site site : sites) {
            Parameter w = table.get(site.layer(), site.projection());
            boolean ofModel = site.projection().ofModel();
            Module module = new Module(site, ofModel ? 0 : table.firstRow(w, place.shard()));
            if (site.projection() == Projection.EMBED_TOKENS) {
                embedding = Modules.of(List.of(module), row(training, 1)).single().getFirst();
            } else {
                all.computeIfAbsent(w.group(), group -> new ArrayList<>()).add(module);
            }
        }
        List<Map<Group.Role, Tensor>> kept = new ArrayList<>();
        for (int i = 0; i < training.keptLayers(); i++) {
            kept.add(new EnumMap<>(Group.Role.class));
        }
        all.forEach((group, list) -> modules.put(group, Modules.of(list, group.layer() == Group.MODEL
                ? row(training, list.size()) : kept.get(training.slot(place.config(), group.layer()))
                .computeIfAbsent(group.role(), role -> row(training, list.size())))));
    }

    /** Allocates a tensor (T·n·R). */
    private Tensor row(TrainingMemory training, int n) {
        return memory.allocate(DType.F32, (long) training.limits().tokens() * n * lora.rank());
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
            Tensor u = embedding.rows(embedding.memory(), y.size(0));
            Module m = embedding.modules().getFirst();
            ops.gatherRows(u, flat.value(m.a()), ids);
            ops.loraUp(y, u, flat.value(m.b()), scaling, null);
        }
    }

    @Override
    public void embeddingBackward(Tensor dy, Tensor ids) {
        if (embedding != null) {
            Tensor gradient = embedding.rows(du, dy.size(0));
            Module m = embedding.modules().getFirst();
            ops.loraUpBackward(gradient, gradient(m.b()), dy, embedding.rows(embedding.memory(), dy.size(0)),
                    flat.value(m.b()), lora.scaling());
            ops.embeddingBackward(gradient(m.a()), gradient, ids);
        }
    }

    @Override
    public void forward(Group group, Tensor y, Tensor x) {
        long t = x.size(0);
        for (Run run : runs(group)) {
            LoraShare share = run.modules().getFirst().share();
            Tensor u = run.rows(run.memory(), t);
            Tensor own = share.sharesColumns() ? run.rows(part, t) : u;
            ops.loraDown(own, x, flat.value(run.a()), null, dropout(run));
            if (share.sharesColumns()) {
                ops.allReduce(u, own, 1);
            }
            for (int i = 0; i < run.modules().size(); i++) {
                Module m = run.modules().get(i);
                ops.loraUp(columns(y, m), u.fromColumn(i * (long) share.r()), flat.value(m.b()), scaling, null);
                if (ones != null) {
                    ops.loraUp(columns(y, m), ones.rows(0, t), flat.value(m.site.bias()), scaling, null);
                }
            }
        }
    }

    @Override
    public void backward(Group group, Tensor dx, Tensor dy, Tensor x) {
        long t = x.size(0);
        for (Run run : runs(group)) {
            LoraShare share = run.modules().getFirst().share();
            Tensor u = run.rows(run.memory(), t);
            Tensor gradient = run.rows(du, t);
            Tensor own = share.sharesRows() ? run.rows(part, t) : gradient;
            for (int i = 0; i < run.modules().size(); i++) {
                Module m = run.modules().get(i);
                long column = i * (long) share.r();
                ops.loraUpBackward(own.fromColumn(column), gradient(m.b()), columns(dy, m), u.fromColumn(column),
                        flat.value(m.b()), lora.scaling());
                if (ones != null) {
                    ops.loraUpBackward(unread.rows(0, t), gradient(m.site.bias()), columns(dy, m), ones.rows(0, t),
                            flat.value(m.site.bias()), lora.scaling());
                }
            }
            if (share.sharesRows()) {
                ops.allReduce(gradient, own, 1);
            }
            ops.loraDownBackward(dx, gradient(run.a()), gradient, x, flat.value(run.a()), dropout(run));
        }
        if (group.equals(Group.LM_HEAD)) {
            chunk++;
        }
    }

    /** Modules with dropout have different masks, so each of them has its own run. */
    private List<Run> runs(Group group) {
        Modules all = modules.get(group);
        return all == null ? List.of() : all.joint == null || drops() ? all.single : List.of(all.joint);
    }

    private boolean drops() {
        return pass != null && lora.dropout() > 0;
    }

    private static Tensor columns(Tensor fused, Module m) {
        return m.column == 0 ? fused : fused.fromColumn(m.column);
    }

    private Dropout dropout(Run run) {
        if (!drops()) {
            return Dropout.NONE;
        }
        Module m = run.modules().getFirst();
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
