package org.ingrain.train.pass;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Group;
import org.ingrain.model.Parameter;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.WeightSource;
import org.ingrain.model.Weights;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.Require;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.CounterRandom;

/**
 * All parameters of a model in training, as F32 master weights (masters). After each step, the packed weights that the
 * forward pass reads are recomputed from the masters. Tied embeddings have one master, whose gradient is the sum of the
 * gradients of embedding and head. Weight decay applies to all parameters except norms and biases.
 */
public final class FullParameters implements Parameters {
    private final Allocator.Scope memory;
    private final Context context;
    private final Ops ops;
    private final Weights weights;
    private final ParameterTable table;
    private final Map<Group, FlatParameters.Slot> slots = new HashMap<>();
    private final FlatParameters flat;
    /** The gradients of one micro-batch, for all parameters except the matrices of the layers. */
    private final Tensor pass;
    private final Map<Group, FlatParameters.Slot> passSlots = new TreeMap<>();

    /** Allocates masters with undefined values. */
    FullParameters(Allocator allocator, Weights weights, TrainingPlace place) {
        requireWhole(place.shard().count());
        this.weights = weights;
        memory = new Allocator.Scope(allocator);
        context = memory.context();
        ops = new Ops(context);
        table = weights.parameters();
        FlatParameters.Layout layout = new FlatParameters.Layout();
        place(layout, true);
        layout.endDecayed();
        place(layout, false);
        flat = new FlatParameters(memory, layout, place, true);
        FlatParameters.Layout apart = new FlatParameters.Layout();
        slots.keySet().stream().filter(FullParameters::apart).sorted()
                .forEach(group -> passSlots.put(group, apart.add(slots.get(group).shape())));
        pass = memory.allocateZero(DType.F32, apart.elements());
    }

    /**
     * Whether a micro-batch may add to the gradient of this group more than once. Such a gradient is first summed
     * separately for the micro-batch, and this sum is then added to the total. The total therefore does not depend on
     * which replica computed which micro-batch.
     */
    private static boolean apart(Group group) {
        return switch (group.role()) {
            case QKV_PROJ, O_PROJ, GATE_UP_PROJ, DOWN_PROJ -> false;
            default -> true;
        };
    }

    /** Throws an InputException if the model is sharded, because training of all weights needs an unsharded model. */
    public static void requireWhole(int tensorParallelSize) {
        Require.that(tensorParallelSize == 1, "tensorParallelSize", tensorParallelSize,
                "1: tensor parallelism supports only the training of adapters");
    }

    private void place(FlatParameters.Layout layout, boolean decayed) {
        table.groups().stream().map(table::fused).filter(whole -> whole.decayed() == decayed)
                .forEach(whole -> slots.put(whole.group(), layout.add(whole.shape())));
    }

    /**
     * Creates the parameters and reads the masters from {@code source}.
     *
     * @param weights weights that the forward pass reads. They are overwritten with the values of {@code source}, and
     *                after each step with the trained values
     */
    public static FullParameters load(Weights weights, WeightSource source) {
        return load(weights, TrainingPlace.alone(weights.config()), source);
    }

    /** Creates the parameters of one of several replicas and reads the masters from {@code source}. */
    public static FullParameters load(Weights weights, TrainingPlace place, WeightSource source) {
        FullParameters parameters = new FullParameters(weights.context(), weights, place);
        parameters.named().forEach((name, master) -> parameters.read(master, source.tensor(name)));
        parameters.updated();
        return parameters;
    }

    private void read(Tensor target, HostTensor source) {
        Tensor staged = context.allocate(source.dtype(), source.shape());
        // Java code reads the data first, because native code must not read a mapped file, which may be truncated at
        // any time.
        MemorySegment host = context.hostAllocate(Math.max(Float.BYTES, staged.bytes())).asSlice(0, staged.bytes());
        source.reader().read(0, host);
        context.copyToDevice(staged, host);
        ops.convert(target, staged);
        context.synchronize();
        context.hostFree(host);
        context.free(staged);
    }

    /**
     * Creates the parameters of a new model with the initial values that {@link Parameter#init} specifies. Overwrites
     * {@code weights}.
     */
    public static FullParameters random(Weights weights, TrainingPlace place, long seed) {
        FullParameters parameters = new FullParameters(weights.context(), weights, place);
        CounterRandom seeds = new CounterRandom(seed);
        long tensor = 0;
        for (Parameter p : parameters.table.all()) {
            float deviation = p.init().deviation(weights.layers().size());
            if (deviation > 0) {
                parameters.ops.randomNormal(parameters.value(p), deviation, seeds.bits(tensor++));
            } else {
                float[] values = new float[Math.toIntExact(p.elements())];
                Arrays.fill(values, p.init() == Parameter.Init.ONES ? 1 : 0);
                parameters.context.write(parameters.value(p), values);
            }
        }
        parameters.updated();
        return parameters;
    }

    /**
     * The F32 masters by their Hugging Face names, in the order of the parameter table. There is no entry for a tied
     * head.
     */
    public SequencedMap<String, Tensor> named() {
        SequencedMap<String, Tensor> named = new LinkedHashMap<>();
        table.all().forEach(p -> named.put(p.name(), value(p)));
        return named;
    }

    private Tensor value(Parameter p) {
        long row = table.firstRow(p);
        return flat.value(slots.get(p.group())).rows(row, row + p.rows());
    }

    /** The packed weights that the forward pass reads. */
    public Weights weights() {
        return weights;
    }

    @Override
    public FlatParameters flat() {
        return flat;
    }

    @Override
    public void backward(Group group, Tensor dx, Tensor dy, Tensor x) {
        ops.matmulWeightBackward(gradient(group.equals(Group.LM_HEAD) ? table.head() : group), dy, x);
    }

    @Override
    public void embeddingBackward(Tensor dy, Tensor ids) {
        ops.embeddingBackward(gradient(Group.EMBED_TOKENS), dy, ids);
    }

    @Override
    public Group lowest() {
        return Group.EMBED_TOKENS;
    }

    @Override
    public Tensor gradient(Group group) {
        FlatParameters.Slot apart = passSlots.get(group);
        if (apart != null) {
            return FlatParameters.piece(pass, apart);
        }
        FlatParameters.Slot slot = slots.get(group);
        return slot == null ? null : flat.gradient(slot);
    }

    @Override
    public void end() {
        passSlots.forEach((group, apart) -> {
            Tensor sum = flat.gradient(slots.get(group));
            Tensor own = FlatParameters.piece(pass, apart);
            ops.addBias(sum.view(1, sum.elements()), own.view(own.elements()));
        });
        context.fillZero(pass);
    }

    @Override
    public long elements() {
        return flat.gradients().elements();
    }

    @Override
    public void addState(List<TrainedState.Builder> vectors) {
        for (int i = 0; i < vectors.size(); i++) {
            vectors.get(i).add(i == 0 ? 0 : flat.firstMoment(), new TrainedState.Copy(context, flat.state().get(i)));
        }
    }

    @Override
    public void updated() {
        if (!weights.owned()) {
            return;   // the rank that owns the weights has equal masters and updates the weights
        }
        slots.forEach((group, slot) -> {
            if (table.fused(group).matrix()) {
                ops.pack(weights.matrix(group), flat.value(slot), 0);
            } else {
                ops.convert(weights.vector(group), flat.value(slot));
            }
        });
    }

    @Override
    public void close() {
        memory.close();
    }
}
