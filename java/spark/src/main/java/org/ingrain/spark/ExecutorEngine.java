package org.ingrain.spark;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.engine.Engine;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;

/**
 * The one engine of an executor, which all its tasks share. It is opened by the first task. After a failure it is
 * closed, and the next task opens it again.
 */
final class ExecutorEngine {
    /** Tasks share nothing but their process, so the process has to keep the engine between them. */
    static final ExecutorEngine EXECUTOR = new ExecutorEngine();

    private Place place = new Place("?", "?", List.of(), 0);
    private String setup;
    private SharedBatch batch;
    private int opened;
    /** Hashes of the adapters that the engine may have loaded. */
    private final Map<String, SortedMap<String, String>> adapters = new HashMap<>();

    /** An engine and the answerer on it. */
    private record Opened(Engine engine, EngineAnswerer answerer) implements Answerer {
        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            answerer.answer(first, done);
        }

        @Override
        public SortedMap<String, Long> fallbacks() {
            return answerer.fallbacks();
        }

        @Override
        public void close() {
            engine.close();
        }
    }

    synchronized void start(Place executor) {
        place = executor;
    }

    synchronized void stop() {
        if (batch != null) {
            batch.close();
        }
        batch = null;
        adapters.clear();
    }

    /**
     * Answers a partition together with the partitions of other tasks.
     *
     * @param attempt name of the attempt, different for each attempt in this process
     * @param killed  whether Spark has killed the attempt
     */
    Partition.Result answer(String wanted, Partition partition, String attempt, BooleanSupplier killed) {
        try {
            requireAdapter(partition);
            SharedBatch.Answered answered = batch(wanted).answer(partition.requests(attempt), killed);
            return new Partition.Result(answered.texts().stream()
                    .map(text -> new Partition.Text(text.text(), text.tokens(), text.finish())).toList(), null,
                    engine(), answered.fallbacks());
        } catch (InputException e) {
            return Partition.Result.refused(place() + ": " + e.getMessage());
        }
    }

    private synchronized Place place() {
        return place;
    }

    private synchronized String engine() {
        return place.executor() + "/" + opened;
    }

    private synchronized SharedBatch batch(String wanted) {
        if (batch == null || batch.hasEnded() || !wanted.equals(setup)) {
            stop();
            setup = wanted;
            opened++;
            Place here = place;
            batch = new SharedBatch(() -> open(Json.parse(wanted, EngineSetup.class, "setup"), here));
        }
        return batch;
    }

    private static Answerer open(EngineSetup setup, Place here) {
        Engine engine = Engine.open(here.options(setup.options()));
        try {
            requireSame("", setup.fingerprint(), engine.modelFingerprint());
            return new Opened(engine, new EngineAnswerer(engine, engine.generator(setup.sizes(), setup.adapters())));
        } catch (RuntimeException e) {
            engine.close();
            throw e;
        }
    }

    /**
     * Requires that a partition's adapter is the same here as on the driver, and that it has not changed since it was
     * first used.
     */
    private synchronized void requireAdapter(Partition partition) {
        String adapter = partition.adapter();
        if (adapter == null) {
            return;
        }
        if (!adapters.containsKey(adapter)) {
            Path folder = Path.of(adapter);
            if (!Files.isDirectory(folder)) {
                throw new InputException(folder + ": no such folder, expected the adapter that the driver has there, in"
                        + " a folder that all machines share");
            }
            adapters.put(adapter, Digest.model(folder));
        }
        requireSame(adapter + ": ", partition.files(), adapters.get(adapter));
    }

    /** Requires that the values on which a result depends are those of the driver. */
    static void requireSame(String prefix, SortedMap<String, String> driver, SortedMap<String, String> here) {
        TreeSet<String> names = new TreeSet<>(driver.keySet());
        names.addAll(here.keySet());
        for (String name : names) {
            String expected = driver.getOrDefault(name, "none");
            String found = here.getOrDefault(name, "none");
            if (!found.equals(expected)) {
                throw new InputException(prefix + name + " is " + found + ", expected " + expected
                        + ", which the driver has");
            }
        }
    }
}
