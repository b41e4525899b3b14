package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.CounterRandom;

/**
 * One adapter in training (arXiv:2106.09685), on the same projections of every layer. It begins as PEFT's does: A uniform in ±1/√C, which
 * is kaiming-uniform with a = √5, and B zero, so that the first forward pass is the base model's.
 */
public final class LoraParameters implements Parameters {
    private static final long INIT = 2;
    private static final long DROPOUT = 3;

    private final Context context;
    private final Ops ops;
    private final Blueprint config;
    private final LoraConfig lora;
    private final TrainingMemory memory;
    private final CounterRandom random;
    private final FlatParameters flat;
    private final List<Map<Projection, Module>> layers = new ArrayList<>();
    private final List<Map<Projection, Tensor>> kept = new ArrayList<>();
    private final Tensor du;
    private final Tensor scaling;
    private CounterRandom pass;

    /**
     * One adapted projection.
     *
     * @param a (1, R, C)
     * @param b (1, N, R)
     */
    private record Module(FlatParameters.Slot a, FlatParameters.Slot b) {
    }

    public LoraParameters(Context context, Blueprint config, LoraConfig lora, long seed, TrainingMemory memory) {
        this.context = context;
        this.config = config;
        this.lora = lora;
        this.memory = memory;
        ops = new Ops(context);
        random = new CounterRandom(seed);
        FlatParameters.Layout layout = layout(config, lora, layers);
        flat = new FlatParameters(context, layout);
        du = keep(context, config, lora, memory, kept);
        scaling = context.allocate(DType.F32, 1);
        context.write(scaling, lora.scaling());
        initialize();
    }

    private static FlatParameters.Layout layout(Blueprint config, LoraConfig lora, List<Map<Projection, Module>> layers) {
        FlatParameters.Layout layout = new FlatParameters.Layout();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            Map<Projection, Module> layer = new EnumMap<>(Projection.class);
            for (Projection p : lora.targetModules()) {
                layer.put(p, new Module(layout.add(1, lora.rank(), p.columns(config)), layout.add(1, p.rows(config), lora.rank())));
            }
            layers.add(layer);
        }
        layout.endDecayed();
        return layout;
    }

    /** x·Aᵀ (T, R) of every module that a backward pass will read; returns one more for the gradient of any of them. */
    private static Tensor keep(Allocator allocator, Blueprint config, LoraConfig lora, TrainingMemory memory,
                               List<Map<Projection, Tensor>> kept) {
        for (int i = 0; i < memory.keptLayers(); i++) {
            Map<Projection, Tensor> layer = new EnumMap<>(Projection.class);
            lora.targetModules().forEach(p -> layer.put(p, allocator.allocate(DType.F32, memory.limits().tokens(), lora.rank())));
            kept.add(layer);
        }
        return allocator.allocate(DType.F32, memory.limits().tokens(), lora.rank());
    }

    /** Bytes that the constructor allocates. */
    static long bytes(Blueprint config, LoraConfig lora, TrainingMemory memory) {
        Allocator.Counter counter = new Allocator.Counter(null);
        keep(counter, config, lora, memory, new ArrayList<>());
        return layout(config, lora, new ArrayList<>()).bytes() + counter.bytes();
    }

    private void initialize() {
        for (int i = 0; i < layers.size(); i++) {
            for (Map.Entry<Projection, Module> entry : layers.get(i).entrySet()) {
                Tensor a = flat.value(entry.getValue().a());
                CounterRandom numbers = random.derive(INIT, i, entry.getKey().ordinal());
                float bound = (float) (1 / Math.sqrt(entry.getKey().columns(config)));
                float[] values = new float[Math.toIntExact(a.elements())];
                for (int j = 0; j < values.length; j++) {
                    values[j] = bound * (2 * numbers.uniform(j) - 1);
                }
                context.write(a, values);
            }
        }
    }

    /**
     * Takes the values of an adapter.
     *
     * @throws InputException if it has another rank, scaling or other projections than are trained
     */
    public void load(List<LoraModule> adapter) {
        int trained = layers.size() * lora.targetModules().size();
        if (adapter.size() != trained) {
            throw new InputException("--adapter: " + adapter.size() + " adapted projections, expected the " + trained + " that are trained");
        }
        for (LoraModule module : adapter) {
            Module target = layers.get(module.layer()).get(module.projection());
            if (target == null || module.rank() != lora.rank() || module.scaling() != lora.scaling()) {
                throw new InputException("--adapter: layer " + module.layer() + " " + module.projection().target() + " has rank " + module.rank()
                        + " and scaling " + module.scaling() + ", expected " + (target == null ? "none there: it is not trained"
                        : lora.rank() + " and " + lora.scaling()));
            }
            context.write(flat.value(target.a()), module.a());
            context.write(flat.value(target.b()), module.b());
        }
    }

    /** The adapter as it stands, layer by layer. */
    public List<LoraModule> modules() {
        List<LoraModule> modules = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            for (Map.Entry<Projection, Module> entry : layers.get(i).entrySet()) {
                modules.add(new LoraModule(i, entry.getKey(), lora.rank(), lora.scaling(),
                        context.readFloats(flat.value(entry.getValue().a())), context.readFloats(flat.value(entry.getValue().b()))));
            }
        }
        return modules;
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
    public void forward(int layer, Site site, Tensor y, Tensor x) {
        for (Projection p : site.projections()) {
            Module module = layers.get(layer).get(p);
            if (module != null) {
                Tensor u = kept(layer, p, x);
                ops.loraDown(u, x, flat.value(module.a()), null, dropout(layer, p));
                ops.loraUp(columns(y, p), u, flat.value(module.b()), scaling, null);
            }
        }
    }

    @Override
    public void backward(int layer, Site site, Tensor dx, Tensor dy, Tensor x) {
        for (Projection p : site.projections()) {
            Module module = layers.get(layer).get(p);
            if (module != null) {
                Tensor u = kept(layer, p, x);
                Tensor gradient = du.rows(0, x.size(0));
                ops.loraUpBackward(gradient, flat.gradient(module.b()), columns(dy, p), u, flat.value(module.b()), lora.scaling());
                ops.loraDownBackward(dx, flat.gradient(module.a()), gradient, x, flat.value(module.a()), dropout(layer, p));
            }
        }
    }

    private Tensor kept(int layer, Projection p, Tensor x) {
        return kept.get(memory.slot(config, layer)).get(p).rows(0, x.size(0));
    }

    private Tensor columns(Tensor fused, Projection p) {
        long column = p.fusedColumn(config);
        return column == 0 ? fused : fused.fromColumn(column);
    }

    private Ops.Dropout dropout(int layer, Projection p) {
        return pass == null || lora.dropout() == 0 ? Ops.Dropout.NONE
                : new Ops.Dropout((float) lora.dropout(), pass.derive(layer, p.ordinal()).seed());
    }

    @Override
    public int lowestDepth() {
        for (Site site : Site.values()) {
            if (site.projections().stream().anyMatch(lora.targetModules()::contains)) {
                return site.depth(0);
            }
        }
        throw new IllegalStateException("no target modules");
    }

    @Override
    public void headBackward(Tensor dlogits, Tensor x) {
        // The head is frozen.
    }

    @Override
    public void embeddingBackward(Tensor dh, Tensor ids) {
        // The embedding is frozen.
    }

    @Override
    public Tensor normGradient(Norm norm) {
        return null;
    }

    @Override
    public void updated() {
        // The forward pass reads the values themselves.
    }

    @Override
    public void close() {
        flat.close();
        context.free(du);
        context.free(scaling);
        kept.forEach(layer -> layer.values().forEach(context::free));
    }
}
