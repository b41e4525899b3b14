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
 * One adapter in training (arXiv:2106.09685), on the same projections of every layer. It begins as PEFT's does: A
 * uniform in ±1/√C, which is kaiming-uniform with a = √5, and B zero, so that the first forward pass is the base
 * model's.
 */
public final class LoraParameters implements Parameters {
    private static final long INIT = 2;
    private static final long DROPOUT = 3;

    private final Allocator.Scope memory;
    private final Context context;
    private final Ops ops;
    private final LoraConfig lora;
    private final CounterRandom random;
    private final FlatParameters flat;
    private final SortedMap<Group, List<Module>> modules = new TreeMap<>();
    private final Tensor du;
    private final Tensor scaling;
    private CounterRandom pass;

    /**
     * One adapted projection.
     *
     * @param column of its output in that of the fused product
     * @param a      (1, R, C)
     * @param b      (1, N, R)
     * @param u      (T, R) x·Aᵀ, which the backward pass reads; layers that are computed again share it
     */
    private record Module(int layer, Projection projection, long column, FlatParameters.Slot a, FlatParameters.Slot b,
                          Tensor u) {
    }

    public LoraParameters(Allocator allocator, Blueprint config, LoraConfig lora, long seed, TrainingMemory training) {
        this.lora = lora;
        memory = new Allocator.Scope(allocator);
        context = memory.context();
        ops = new Ops(context);
        random = new CounterRandom(seed);
        ParameterTable table = config.parameters();
        FlatParameters.Layout layout = new FlatParameters.Layout();
        List<Map<Projection, Tensor>> kept = new ArrayList<>();
        for (int i = 0; i < training.keptLayers(); i++) {
            kept.add(lora.targetModules().stream().collect(Collectors.toMap(p -> p, p -> row(training))));
        }
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            for (Projection p : lora.targetModules()) {
                Parameter w = table.get(i, p);
                Module module = new Module(i, p, table.firstRow(w), layout.add(1, lora.rank(), w.columns()),
                        layout.add(1, w.rows(), lora.rank()), kept.get(training.slot(config, i)).get(p));
                modules.computeIfAbsent(w.group(), group -> new ArrayList<>()).add(module);
            }
        }
        layout.endDecayed();
        flat = new FlatParameters(memory, layout);
        du = row(training);
        scaling = memory.allocate(DType.F32, 1);
        memory.initialize(scaling, () -> new float[] {lora.scaling()});
        all().forEach(module -> memory.initialize(flat.value(module.a), () -> first(module)));
    }

    /** (T, R). */
    private Tensor row(TrainingMemory training) {
        return memory.allocate(DType.F32, training.limits().tokens(), lora.rank());
    }

    private Stream<Module> all() {
        return modules.values().stream().flatMap(List::stream);
    }

    private float[] first(Module module) {
        long[] shape = module.a.shape();
        CounterRandom numbers = random.derive(INIT, module.layer, module.projection.ordinal());
        float bound = (float) (1 / Math.sqrt(shape[2]));
        float[] values = new float[Math.toIntExact(shape[1] * shape[2])];
        for (int j = 0; j < values.length; j++) {
            values[j] = bound * (2 * numbers.uniform(j) - 1);
        }
        return values;
    }

    /**
     * Takes the values of an adapter.
     *
     * @throws InputException if it has another rank, scaling or other projections than are trained
     */
    public void load(List<LoraModule> adapter) {
        if (adapter.size() != all().count()) {
            throw InputException.field("adapter", adapter.size() + " adapted projections, expected the "
                    + all().count() + " that are trained");
        }
        for (LoraModule module : adapter) {
            Module target = all().filter(m -> m.layer == module.layer() && m.projection == module.projection())
                    .findFirst().orElse(null);
            if (target == null || module.rank() != lora.rank() || module.scaling() != lora.scaling()) {
                throw InputException.field("adapter", "layer " + module.layer() + " " + module.projection().target()
                        + " has rank " + module.rank() + " and scaling " + module.scaling() + ", expected "
                        + (target == null ? "none there: it is not trained" : lora.rank() + " and " + lora.scaling()));
            }
            context.write(flat.value(target.a()), module.a());
            context.write(flat.value(target.b()), module.b());
        }
    }

    /** The adapter as it stands, layer by layer. */
    public List<LoraModule> modules() {
        return all().map(m -> new LoraModule(m.layer, m.projection, lora.rank(), lora.scaling(),
                context.readFloats(flat.value(m.a)), context.readFloats(flat.value(m.b)))).toList();
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
            ops.loraDown(u, x, flat.value(m.a), null, dropout(m));
            ops.loraUp(columns(y, m), u, flat.value(m.b), scaling, null);
        }
    }

    @Override
    public void backward(Group group, Tensor dx, Tensor dy, Tensor x) {
        for (Module m : of(group)) {
            Tensor u = m.u.rows(0, x.size(0));
            Tensor gradient = du.rows(0, x.size(0));
            ops.loraUpBackward(gradient, flat.gradient(m.b), columns(dy, m), u, flat.value(m.b), lora.scaling());
            ops.loraDownBackward(dx, flat.gradient(m.a), gradient, x, flat.value(m.a), dropout(m));
        }
    }

    private List<Module> of(Group group) {
        return modules.getOrDefault(group, List.of());
    }

    private static Tensor columns(Tensor fused, Module m) {
        return m.column == 0 ? fused : fused.fromColumn(m.column);
    }

    private Ops.Dropout dropout(Module m) {
        return pass == null || lora.dropout() == 0 ? Ops.Dropout.NONE
                : new Ops.Dropout((float) lora.dropout(), pass.derive(m.layer, m.projection.ordinal()).seed());
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
