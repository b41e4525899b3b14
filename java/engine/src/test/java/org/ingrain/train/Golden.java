package org.ingrain.train;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.Safetensors;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Parameters;
import org.ingrain.train.pass.Schedule;
import org.ingrain.train.pass.TrainingMemory;
import org.junit.jupiter.api.Assumptions;
import tools.jackson.databind.JsonNode;

/**
 * A small random Llama, PyTorch's results for this model (benchmarks/peers/lora_golden.py), and a context for training.
 */
public final class Golden implements AutoCloseable {
    public final Path folder;
    public final JsonFields expected;
    public final Blueprint config;
    /** The backend; the system property {@code ingrain.golden.backend} selects another one. */
    private static final String BACKEND = System.getProperty("ingrain.golden.backend", "cpu");

    public final Backend backend;
    public final Context context;
    public final ModelFolder model;

    public Golden(String name, int threads) {
        this(resource("golden/" + name), threads);
    }

    public Golden(Path folder, int threads) {
        this(folder, threads, BACKEND);
    }

    /** One of the models of benchmarks/peers/architectures_golden.py. Skips the test if the backend has no device. */
    public static Golden architecture(String name, String backend) {
        try {
            return new Golden(resource("architectures/" + name), 1, backend);
        } catch (InputException e) {
            System.out.println("Skipped: " + e.getMessage());
            Assumptions.abort(e.getMessage());
            throw e;
        }
    }

    /** One of the models of benchmarks/peers/quantized_golden.py. */
    public static Golden quantized(String method) {
        return new Golden(resource("quantized/" + method), 2, "cpu");
    }

    private Golden(Path folder, int threads, String library) {
        this.folder = folder;
        backend = Backend.open(NativeLibraries.find(library));
        expected = JsonFields.read(folder.resolve("golden.json"));
        model = ModelFolder.open(folder);
        config = model.config();
        context = backend.context(new ContextOptions(0, threads, "auto"));
    }

    private static Path resource(String name) {
        try {
            return Path.of(Golden.class.getResource(name).toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    public Weights weights() {
        return weights(DType.F32);
    }

    /** The weights in this dtype, which is also the dtype of the activations and the cache. */
    public Weights weights(DType dtype) {
        return Weights.load(context, config, new Precision(dtype, dtype, dtype), Rank.SINGLE, model, (done, of) -> { });
    }

    /** The ragged batches of the PyTorch run, in the order in which it used them. */
    public List<MicroBatch> batches() {
        List<MicroBatch> batches = new ArrayList<>();
        for (JsonNode batch : expected.node("batches").values()) {
            batches.add(MicroBatch.of(sequences(batch)));
        }
        return batches;
    }

    public List<TrainingSequence> sequences() {
        List<TrainingSequence> all = new ArrayList<>();
        expected.node("batches").values().forEach(batch -> all.addAll(sequences(batch)));
        return all;
    }

    private static List<TrainingSequence> sequences(JsonNode batch) {
        List<TrainingSequence> sequences = new ArrayList<>();
        for (JsonNode row : batch.values()) {
            int[] ids = row.get("ids").values().stream().mapToInt(JsonNode::intValue).toArray();
            BitSet targets = new BitSet();
            targets.set(row.get("target").intValue(), ids.length);
            sequences.add(new TrainingSequence(ids, targets));
        }
        return sequences;
    }

    /** Training memory that keeps the activations of every layer. */
    public TrainingMemory memory() {
        return memory(config.numHiddenLayers());
    }

    public TrainingMemory memory(int keptLayers) {
        MicroBatchLimits limits = new MicroBatchLimits(1, 1, 1);
        for (MicroBatch batch : batches()) {
            limits = limits.max(new MicroBatchLimits(batch.tokens(), batch.sequences(), batch.targetCount()));
        }
        return new TrainingMemory(limits, keptLayers);
    }

    public OptimizerConfig optimizer() {
        JsonFields o = expected.object("optimizer");
        return new OptimizerConfig(o.number("learning_rate"), o.number("beta1"), o.number("beta2"), o.number("eps"),
                o.number("weight_decay"), o.number("max_grad_norm"), Schedule.COSINE, 0,
                o.number("min_learning_rate_ratio"));
    }

    public LoraConfig lora() {
        return LoraConfig.of(expected.object("lora").integer("rank"), expected.object("lora").number("alpha"));
    }

    /** The adapter of the PyTorch run, before or after the training. {@code when} is "before" or "after". */
    public List<LoraModule> adapter(String when) {
        List<LoraModule> modules = new ArrayList<>();
        try (Safetensors file = Safetensors.open(folder.resolve("adapter_" + when + ".safetensors"))) {
            for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
                for (Projection p : Projection.LINEAR) {
                    String name = "base_model.model." + p.module(layer) + ".lora_";
                    modules.add(new LoraModule(layer, p, lora().rank(), lora().scaling(),
                            floats(file.data(name + "A.weight")), floats(file.data(name + "B.weight"))));
                }
            }
        }
        return modules;
    }

    public static float[] floats(MemorySegment data) {
        return data.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
    }

    /** Takes one optimizer step on these micro-batches; returns the mean loss and the gradient norm. */
    public static double[] step(DecoderTraining training, Parameters parameters, List<MicroBatch> batches,
            OptimizerConfig optimizer, int[] stepOf) {
        int targets = batches.stream().mapToInt(MicroBatch::targetCount).sum();
        parameters.flat().zeroGradients();
        double loss = 0;
        for (int i = 0; i < batches.size(); i++) {
            loss += training.accumulate(batches.get(i), stepOf[0], i, 1f / targets);
        }
        float norm = parameters.flat().step(optimizer, stepOf[0], stepOf[1]);
        parameters.updated();
        return new double[] {loss / targets, norm};
    }

    @Override
    public void close() {
        model.close();
        context.close();
        backend.close();
    }
}
