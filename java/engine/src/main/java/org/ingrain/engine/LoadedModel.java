package org.ingrain.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.model.Blueprint;
import org.ingrain.model.MemoryPlan;
import org.ingrain.model.Precision;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.ingrain.workbench.Workbench;

/** A model folder on a device, ready to be sampled or trained: its context, weights and tokenizer, closed together. */
public final class LoadedModel implements AutoCloseable {
    private final ModelOptions options;
    private final ModelFolder folder;
    private final Tokenizer tokenizer;
    private final Backend backend;
    private final Context context;
    private final Weights weights;

    /** Bytes that a user of the model will want beside the weights; several parts may be named. */
    public interface Needs {
        List<MemoryPlan.Part> parts(Context context, Blueprint config, Precision precision);
    }

    /** Hears nothing. */
    public static final Listener SILENT = new Listener() {
        @Override
        public void planned(String line) {
        }

        @Override
        public void loaded(int layers, int of) {
        }
    };

    /** Hears how the load goes: the memory plan's line, then layers. */
    public interface Listener extends Weights.Progress {
        void planned(String line);
    }

    private LoadedModel(ModelOptions options, ModelFolder folder, Needs needs, Listener listener, List<AutoCloseable> opened) {
        this.options = options;
        this.folder = folder;
        tokenizer = Tokenizers.open(folder.path());
        opened.add(tokenizer);
        backend = Workbench.open(NativeLibraries.find(options.backend()), options.kernels());
        opened.add(backend);
        context = backend.context(options.context());
        opened.add(context);
        context.setDeterministic(options.deterministic());
        Precision precision = precision();
        MemoryPlan plan = MemoryPlan.of(context, folder.config(), precision, needs.parts(context, folder.config(), precision));
        long free = context.memoryInfo().free();
        plan.require(folder.path().toString(), free);
        listener.planned(plan.line(free));
        weights = Weights.load(context, folder.config(), precision, Rank.SINGLE, folder, listener);
    }

    /** Opens, plans, refuses or loads; an InputException has one line. Nothing stays open when it fails. */
    public static LoadedModel open(ModelOptions options, Needs needs, Listener listener) {
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            ModelFolder folder = ModelFolder.open(options.model());
            opened.add(folder);
            return new LoadedModel(options, folder, needs, listener, opened);
        } catch (RuntimeException e) {
            closeAll(opened, e::addSuppressed);
            throw e;
        }
    }

    /** The types for this folder: what its first matrix has, unless the options say otherwise. */
    private Precision precision() {
        return options.precision(folder.tensor("model.embed_tokens.weight").dtype());
    }

    private static void closeAll(List<AutoCloseable> opened, Consumer<Exception> failed) {
        for (AutoCloseable resource : opened.reversed()) {
            try {
                resource.close();
            } catch (Exception e) {
                failed.accept(e);
            }
        }
    }

    public ModelOptions options() {
        return options;
    }

    public ModelFolder folder() {
        return folder;
    }

    public Blueprint config() {
        return folder.config();
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    public Context context() {
        return context;
    }

    public Weights weights() {
        return weights;
    }

    @Override
    public void close() {
        closeAll(List.of(folder, tokenizer, backend, context), e -> {
            throw new IllegalStateException("cannot close " + folder.path(), e);
        });
    }
}
