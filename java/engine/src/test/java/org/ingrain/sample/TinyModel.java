package org.ingrain.sample;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.RopeConfig;
import org.ingrain.model.Weights;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tokenizer.StreamingDecoder;

/** A random Llama with a few thousand parameters, for tests of generators. The text of a token is its id. */
public final class TinyModel implements AutoCloseable {
    public static final int VOCABULARY = 97;
    public static final int CONTEXT = 256;
    /** An id outside the vocabulary. It is never drawn, so samples do not end before their maximum length. */
    private static final int NO_EOS = VOCABULARY + 1;

    public final Context context;
    public final Weights weights;
    private final Backend backend;

    /** Creates the model on the CPU. */
    public TinyModel(DType dtype, int threads) {
        backend = Backend.open(NativeLibraries.find("cpu"));
        context = backend.context(new ContextOptions(0, threads, "auto"));
        weights = Weights.random(context, config(dtype), new Precision(dtype, DType.F32, dtype), Rank.SINGLE, 7);
    }

    /** Creates the model on any backend, in F32, with the same weights on all backends. */
    public TinyModel(String library, ContextOptions options) {
        backend = Backend.open(NativeLibraries.find(library));
        context = backend.context(options);
        Blueprint config = config(DType.F32);
        try (Arena arena = Arena.ofShared()) {
            weights = Weights.load(context, config, new Precision(DType.F32, DType.F32, DType.F32), Rank.SINGLE,
                    name -> tensor(arena, config, name), (layers, of) -> { });
            context.synchronize();
        }
    }

    static Blueprint config(DType dtype) {
        return new Blueprint(64, 112, 2, new AttentionConfig(4, 2, 16), VOCABULARY, CONTEXT, 1e-5,
                RopeConfig.of(10000), false, dtype);
    }

    static HostTensor tensor(Arena arena, Blueprint config, String name) {
        long[] shape = config.parameters().all().stream().filter(p -> p.name().equals(name)).findFirst().orElseThrow()
                .shape();
        HostTensor tensor = new HostTensor(DType.F32, shape,
                arena.allocate(Arrays.stream(shape).reduce(1, (x, y) -> x * y) * Float.BYTES, 64));
        Random random = new Random(name.hashCode());
        for (long i = 0; i < tensor.elements(); i++) {
            tensor.data().setAtIndex(ValueLayout.JAVA_FLOAT, i,
                    shape.length == 1 ? 1 : (float) random.nextGaussian() * 0.15f);
        }
        return tensor;
    }

    Generator generator(GeneratorConfig config) {
        return generator(config, null);
    }

    Generator generator(GeneratorConfig config, AdapterBank adapters) {
        return new Generator(weights, adapters, config, Spelling::new, List.of(NO_EOS));
    }

    /** A generator with two end-of-sequence ids, which reads drawn tokens {@code lag} steps late. */
    Generator generator(GeneratorConfig config, AdapterBank adapters, int lag) {
        return new Generator(weights, adapters, config, Spelling::new, List.of(7, 14), lag);
    }

    /** The cache is large enough for all requests, and a step is large enough for a whole prompt. */
    static GeneratorConfig roomy() {
        return GeneratorConfig.of(CONTEXT, 32, 512).withCacheTokens(8192).withBlockSize(16);
    }

    /** A prompt whose tokens depend on the seed. */
    public static int[] prompt(int length, int seed) {
        int[] ids = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = Math.floorMod(i * 31 + seed * 17 + i * i * seed, VOCABULARY);
        }
        return ids;
    }

    /** Writes each id as "<id>". */
    private static final class Spelling implements StreamingDecoder {
        @Override
        public String append(int id) {
            return "<" + id + ">";
        }

        @Override
        public String flush() {
            return "";
        }
    }

    @Override
    public void close() {
        context.close();
        backend.close();
    }
}
