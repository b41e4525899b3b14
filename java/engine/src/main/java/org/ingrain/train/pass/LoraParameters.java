package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.CounterRandom;

/**
 * One LoRA adapter in training (arXiv:2106.09685), on the same projections of every layer. It is initialized as in
 * PEFT: A is uniform in ±1/√C, which is Kaiming uniform with a = √5, and B is zero. The initial adapter therefore does
 * not change the model's output.
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
    private final SortedMap<Group, List<Module>> modules = new TreeMap<>();
    /** This rank's part of a sum over ranks (T, R); null if the model is not sharded. */
    private final Tensor part;
    private final Tensor du;
    private final Tensor scaling;
    private final long elements;
    private CounterRandom pass;

    /**
     * One adapted projection.
     *
     * @param column first column of the projection's output in the output of the fused matmul
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
        LoraSites sites = LoraSites.of(place, lora);
        elements = sites.elements();
        addModules(sites, training);
        flat = new FlatParameters(memory, sites.layout(), place, false);
        part = place.shard().count() == 1 ? null : row(training);
        du = row(training);
        scaling = memory.allocate(DType.F32, 1);
        memory.initialize(scaling, () -> new float[] {lora.scaling()});
        all().forEach(module -> memory.initialize(flat.value(module.a()), () -> first(module)));
    }

    private void addModules(LoraSites sites, TrainingMemory training) {
        ParameterTable table = place.config().parameters();
        List<Map<Projection, Tensor>> kept = new ArrayList<>();
        for (int i = 0; i < training.keptLayers(); i++) {
            kept.add(lora.targetModules().stream().collect(Collectors.toMap(p -> p, p -> row(training))));
        }
        for (LoraSites.Site site : sites.sites()) {
            Parameter w = table.get(site.layer(), site.projection());
            Tensor u = kept.get(training.slot(place.config(), site.layer())).get(site.projection());
            modules.computeIfAbsent(w.group(), group -> new ArrayList<>())
                    .add(new Module(site, table.firstRow(w, place.shard()), u));
        }
    }

    /** Allocates a tensor (T, R). */
    private Tensor row(TrainingMemory training) {
        return memory.allocate(DType.F32, training.limits().tokens(), lora.rank());
    }

    private Stream<Module> all() {
        return modules.values().stream().flatMap(List::stream);
    }

    private float[] first(Module module) {
        LoraShare share = module.share();
        CounterRandom numbers = random.derive(INIT, module.site.layer(), module.site.projection().ordinal());
        float bound = (float) (1 / Math.sqrt(share.columns()));
        float[] values = new float[Math.toIntExact(share.r() * share.ownColumns())];
        for (LoraShare.Run run : share.runsA()) {
            for (int j = 0; j < run.elements(); j++) {
                values[Math.toIntExact(run.own() + j)] = bound * (2 * numbers.uniform(run.whole() + j) - 1);
            }
        }
        return values;
    }

    /**
     * Sets the values to this rank's shard of an adapter's values.
     *
     * @throws InputException if the adapter's rank, scaling or projections differ from those in training
     */
    public void load(List<LoraModule> adapter) {
        requireTrained(adapter, lora, place.config());
        for (LoraModule module : adapter) {
            Module target = find(module.layer(), module.projection());
            write(flat.value(target.a()), module.a(), target.share().runsA());
            write(flat.value(target.b()), module.b(), target.share().runsB());
        }
    }

    /**
     * Checks that an adapter is one that {@code lora} trains.
     *
     * @throws InputException if it has another rank, scaling or other projections
     */
    public static void requireTrained(List<LoraModule> adapter, LoraConfig lora, Blueprint config) {
        int sites = config.numHiddenLayers() * lora.targetModules().size();
        if (adapter.size() != sites) {
            throw InputException.field("adapter", adapter.size() + " adapted projections, expected " + sites
                    + " as in this run");
        }
        for (LoraModule module : adapter) {
            boolean trained = lora.targetModules().contains(module.projection());
            if (!trained || module.rank() != lora.rank() || module.scaling() != lora.scaling()) {
                throw InputException.field("adapter", "layer " + module.layer() + " " + module.projection().target()
                        + " has rank " + module.rank() + " and scaling " + module.scaling() + ", expected "
                        + (trained ? lora.rank() + " and " + lora.scaling() : "no module there"));
            }
        }
    }

    private void write(Tensor target, float[] whole, List<LoraShare.Run> runs) {
        float[] own = new float[Math.toIntExact(target.elements())];
        for (LoraShare.Run run : runs) {
            System.arraycopy(whole, (int) run.whole(), own, (int) run.own(), (int) run.elements());
        }
        context.write(target, own);
    }

    private Module find(int layer, Projection projection) {
        return all().filter(m -> m.site.layer() == layer && m.site.projection() == projection).findFirst().orElse(null);
    }

    /** The adapter with its current values, ordered by layer. */
    public List<LoraModule> modules() {
        return modules(List.of(this));
    }

    /** Assembles the adapter from the shards of all ranks of one replica. */
    public static List<LoraModule> modules(List<LoraParameters> ranks) {
        LoraParameters first = ranks.getFirst();
        return first.all().map(m -> {
            float[] a = new float[Math.toIntExact(m.share().r() * m.share().columns())];
            float[] b = new float[Math.toIntExact(m.share().rows() * m.share().r())];
            for (LoraParameters rank : ranks) {
                Module part = rank.find(m.site.layer(), m.site.projection());
                rank.read(a, part.a(), part.share().runsA());
                rank.read(b, part.b(), part.share().runsB());
            }
            return new LoraModule(m.site.layer(), m.site.projection(), first.lora.rank(), first.lora.scaling(), a, b);
        }).toList();
    }

    private void read(float[] whole, FlatParameters.Slot slot, List<LoraShare.Run> runs) {
        float[] own = context.readFloats(flat.value(slot));
        for (LoraShare.Run run : runs) {
            System.arraycopy(own, (int) run.own(), whole, (int) run.whole(), (int) run.elements());
        }
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
            all().forEach(m -> {
                add(builder, vector, m.site.wholeA(), m.a(), m.share().runsA());
                add(builder, vector, m.site.wholeB(), m.b(), m.share().runsB());
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
        }
    }

    @Override
    public void backward(Group group, Tensor dx, Tensor dy, Tensor x) {
        for (Module m : of(group)) {
            Tensor u = m.u.rows(0, x.size(0));
            Tensor gradient = du.rows(0, x.size(0));
            boolean summed = m.share().sharesRows();
            Tensor own = summed ? part.rows(0, x.size(0)) : gradient;
            ops.loraUpBackward(own, flat.gradient(m.b()), columns(dy, m), u, flat.value(m.b()), lora.scaling());
            if (summed) {
                ops.allReduce(gradient, own, 1);
            }
            ops.loraDownBackward(dx, flat.gradient(m.a()), gradient, x, flat.value(m.a()), dropout(m));
        }
    }

    private List<Module> of(Group group) {
        return modules.getOrDefault(group, List.of());
    }

    private static Tensor columns(Tensor fused, Module m) {
        return m.column == 0 ? fused : fused.fromColumn(m.column);
    }

    private Ops.Dropout dropout(Module m) {
        if (pass == null || lora.dropout() == 0) {
            return Ops.Dropout.NONE;
        }
        long seed = pass.derive(m.site.layer(), m.site.projection().ordinal()).seed();
        return new Ops.Dropout((float) lora.dropout(), seed, m.share().firstColumn(), m.share().columns());
    }

    @Override
    public Group lowest() {
        return modules.firstKey();
    }

    @Override
    public void close() {
        memory.close();
    }
}
