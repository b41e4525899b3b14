package org.ingrain.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.Json;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.WeightSource;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.TrainingModel;
import org.ingrain.train.run.TrainProgress;
import tools.jackson.databind.JsonNode;

/** A small random model on several ranks, and readers of the files that its training writes. */
final class RanksFixture implements AutoCloseable {
    /** Two layers, 16 heads of size 8, 8 key-value heads; the vocabulary of 61 cannot be sharded. */
    static final Blueprint EIGHT_HEADS = new Blueprint(64, 96, 2, new AttentionConfig(16, 8, 8), 61, 128, 1e-5,
            RopeConfig.of(10000), false, DType.F32);
    /**
     * Two key-value heads, so that with four ranks, two ranks hold the same head. Tied embeddings, a sharded lm_head.
     */
    static final Blueprint TWO_HEADS = new Blueprint(48, 64, 2, new AttentionConfig(8, 2, 8), 64, 128, 1e-5,
            RopeConfig.of(10000), true, DType.F32);
    /** An adapter of every linear layer, the embedding and the output head. */
    static final LoraConfig LORA = new LoraConfig(4, 8, 0.1, EnumSet.allOf(Projection.class), false);
    /**
     * Twenty steps with five micro-batches each, and a checkpoint after ten steps. Five micro-batches cannot be divided
     * evenly among two or four replicas.
     */
    static final TrainConfig TRAIN = new TrainConfig(0, 20, 1, 5, 17, 10, 10, 2, false);

    final List<TrainingModel> models = new ArrayList<>();
    private final List<Context> contexts = new ArrayList<>();

    /**
     * Creates contexts and weights.
     *
     * @param devices number of devices, which are assigned to the ranks in turn
     */
    RanksFixture(Backend backend, int devices, int replicas, int shards, Loader loader) {
        for (int r = 0; r < replicas; r++) {
            Communicator communicator = shards == 1 ? null : new Communicator(backend, shards);
            List<Weights> ranks = new ArrayList<>();
            List<String> names = new ArrayList<>();
            for (int s = 0; s < shards; s++) {
                int number = contexts.size();
                Context context = backend.context(new ContextOptions(number % devices, 1, "auto"));
                contexts.add(context);
                names.add("rank " + number + " on device " + number % devices);
                if (communicator != null) {
                    context.join(communicator, s);
                }
                ranks.add(loader.load(context, new Rank(s, shards)));
            }
            models.add(new TrainingModel(replicas * shards == 1 ? RankGroup.onCallersThread()
                    : new RankGroup(communicator, names), ranks));
        }
    }

    /** Loads the weights of a rank. */
    interface Loader {
        Weights load(Context context, Rank rank);

        static Loader random(Arena arena, Blueprint config) {
            WeightSource source = source(arena, config);
            return (context, rank) -> Weights.load(context, config, new Precision(DType.F32, DType.F32, DType.F32),
                    rank, source, (layers, of) -> { });
        }
    }

    private static WeightSource source(Arena arena, Blueprint config) {
        Map<String, HostTensor> tensors = new HashMap<>();
        Random random = new Random(3);
        config.parameters().all().forEach(p -> {
            MemorySegment data = arena.allocate(p.elements() * Float.BYTES, 64);
            for (long i = 0; i < p.elements(); i++) {
                data.setAtIndex(ValueLayout.JAVA_FLOAT, i, p.matrix() ? (float) random.nextGaussian() * 0.15f : 1);
            }
            tensors.put(p.name(), new HostTensor(DType.F32, p.shape(), data));
        });
        return tensors::get;
    }

    /** Trains an adapter on the CPU, or resumes the run in the folder. */
    static void lora(Path output, Blueprint config, int replicas, int shards, TrainProgress progress) {
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"));
                RanksFixture ranks = new RanksFixture(backend, 1, replicas, shards, Loader.random(arena, config))) {
            ranks.lora(output, TRAIN, progress);
        }
    }

    /** Trains an adapter on the CPU for five steps without dropout. */
    static void loraWithoutDropout(Path output, Blueprint config, int shards) {
        LoraConfig lora = new LoraConfig(LORA.rank(), LORA.alpha(), 0, LORA.targetModules(), LORA.rslora());
        try (Arena arena = Arena.ofShared(); Backend backend = Backend.open(NativeLibraries.find("cpu"));
                RanksFixture ranks = new RanksFixture(backend, 1, 1, shards, Loader.random(arena, config))) {
            ranks.lora(output, lora, new TrainConfig(0, 5, 1, 5, 17, 5, 5, 2, false), TrainProgress.SILENT);
        }
    }

    void lora(Path output, TrainConfig train, TrainProgress progress) {
        lora(output, LORA, train, progress);
    }

    private void lora(Path output, LoraConfig lora, TrainConfig train, TrainProgress progress) {
        try (Trainer trainer = Trainer.lora(models, lora, "base", List.of(), TrainingFixture.run(output, train))) {
            trainer.train(progress);
        }
    }

    /** Loss and gradient norm of every step. */
    static double[][] metrics(Path output) {
        try {
            List<double[]> steps = new ArrayList<>();
            for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
                JsonNode metric = Json.parse(line, "metrics.jsonl");
                if (metric.has("loss")) {
                    steps.add(new double[] {metric.get("loss").doubleValue(), metric.get("grad_norm").doubleValue()});
                }
            }
            return steps.toArray(double[][]::new);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The concatenated values of an adapter. */
    static float[] adapter(Path folder, Blueprint config) {
        List<Float> values = new ArrayList<>();
        PeftAdapter.read(folder, config).modules().forEach(module -> {
            for (float[] part : List.of(module.a(), module.b())) {
                for (float value : part) {
                    values.add(value);
                }
            }
        });
        float[] all = new float[values.size()];
        for (int i = 0; i < all.length; i++) {
            all[i] = values.get(i);
        }
        return all;
    }

    @Override
    public void close() {
        models.forEach(model -> model.ranks().close(rank -> model.weights().get(rank).context().close()));
        models.stream().map(model -> model.ranks().communicator()).filter(Objects::nonNull)
                .forEach(Communicator::close);
    }
}
