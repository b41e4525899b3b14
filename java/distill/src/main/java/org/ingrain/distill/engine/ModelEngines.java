package org.ingrain.distill.engine;

import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import org.ingrain.distill.model.Answerer;
import org.ingrain.engine.Engine;

/**
 * Engines for several whole models. An engine is closed before the next one is opened, so at most one model is in
 * memory. This class is not thread-safe.
 */
public final class ModelEngines implements AutoCloseable {
    private final Function<Path, Engine> engines;
    private final Function<Engine, Answerer> answerers;
    private final SortedMap<String, Long> fallbacks = new TreeMap<>();
    private final SortedSet<String> generators = new TreeSet<>();
    private Path folder;
    private Engine engine;
    private Answerer answerer;

    /**
     * @param engines   opens the engine of a model folder
     * @param answerers makes an answerer for an engine
     */
    public ModelEngines(Function<Path, Engine> engines, Function<Engine, Answerer> answerers) {
        this.engines = engines;
        this.answerers = answerers;
    }

    /** The engine of a model. The engine is open until another model is used or this object is closed. */
    Engine engine(Path model) {
        if (!model.equals(folder)) {
            close();
            engine = engines.apply(model);
            folder = model;
        }
        return engine;
    }

    /** The answerer of a model. The answerer can be used as long as the model's engine is open. */
    Answerer answerer(Path model) {
        Engine own = engine(model);
        if (answerer == null) {
            answerer = answerers.apply(own);
            generators.addAll(answerer.generators());
        }
        return answerer;
    }

    /** The generators of all answerers that were used ({@link Answerer#generators}). */
    SortedSet<String> generators() {
        return Collections.unmodifiableSortedSet(generators);
    }

    /** The fallback calls ({@link Answerer#fallbacks}), summed over all engines that were opened. */
    SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>(fallbacks);
        if (answerer != null) {
            answerer.fallbacks().forEach((what, calls) -> all.merge(what, calls, Long::sum));
        }
        return all;
    }

    @Override
    public void close() {
        if (engine == null) {
            return;
        }
        if (answerer != null) {
            answerer.fallbacks().forEach((what, calls) -> fallbacks.merge(what, calls, Long::sum));
            answerer.close();
        }
        engine.close();
        engine = null;
        answerer = null;
        folder = null;
    }
}
