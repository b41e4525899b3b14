package org.ingrain.sample;

import java.util.List;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Llama;
import org.ingrain.model.LlamaConfig;
import org.ingrain.model.LlamaWeights;
import org.ingrain.model.Precision;
import org.ingrain.model.RopeConfig;
import org.ingrain.tensor.DType;
import org.ingrain.tokenizer.StreamingDecoder;

/** A random Llama of a few thousand parameters whose tokens spell their ids, for tests of what is above the model. */
final class TinyLlama implements AutoCloseable {
    static final int VOCABULARY = 97;
    static final int CONTEXT = 256;
    /** Not in the vocabulary: nothing ends by itself. */
    private static final int NO_EOS = VOCABULARY + 1;

    final Context context;
    final LlamaWeights weights;
    private final Backend backend;

    TinyLlama(DType dtype, int threads) {
        this("cpu", new ContextOptions(0, threads, "auto"), dtype);
    }

    TinyLlama(String library, ContextOptions options, DType dtype) {
        backend = Backend.open(NativeLibraries.find(library));
        context = backend.context(options);
        LlamaConfig config = new LlamaConfig(64, 112, 2, 4, 2, 16, VOCABULARY, CONTEXT, 1e-5, RopeConfig.of(10000), false, dtype);
        weights = LlamaWeights.random(context, config, new Precision(dtype, DType.F32, dtype), 7);
    }

    Generator generator(GeneratorConfig config) {
        return generator(config, null);
    }

    Generator generator(GeneratorConfig config, AdapterBank adapters) {
        return new Generator(context, weights, adapters, config, Spelling::new, List.of(NO_EOS));
    }

    /** Reads the tokens {@code lag} steps behind; two ids end a sample. */
    Generator generator(GeneratorConfig config, AdapterBank adapters, int lag) {
        return new Generator(new Llama(context, weights, Generator.limits(config)), adapters, config, Spelling::new, List.of(7, 14), lag);
    }

    /** A cache large enough for everything, whole prompts in a step. */
    static GeneratorConfig roomy() {
        return new GeneratorConfig(8192, 16, 512, 32, CONTEXT, true, true);
    }

    /** Distinct tokens that depend on a seed. */
    static int[] prompt(int length, int seed) {
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
