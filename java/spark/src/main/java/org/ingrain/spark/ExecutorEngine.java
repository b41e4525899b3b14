package org.ingrain.spark;

import java.util.List;
import java.util.function.BooleanSupplier;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;

/**
 * The one engine of an executor, which all its tasks share. The first task opens it. After a failure the next task
 * closes it and opens another one.
 */
final class ExecutorEngine {
    /** Tasks have nothing in common but their process, so the process has to keep the engine between them. */
    static final ExecutorEngine EXECUTOR = new ExecutorEngine();

    private Place place = new Place("?", "?", List.of(), 0);
    private String setup;
    private PartitionEngine engine;
    /** Number of engines that were opened. */
    private int opened;

    synchronized void start(Place executor) {
        place = executor;
    }

    synchronized void stop() {
        if (engine != null) {
            engine.close();
        }
        engine = null;
    }

    /**
     * Answers a partition together with the partitions of other tasks. An error of the user's input is returned as a
     * refusal.
     *
     * @param wanted the {@link EngineSetup} as JSON
     * @param killed whether Spark has killed the task
     */
    Partition.Result answer(String wanted, Partition partition, BooleanSupplier killed) {
        try {
            PartitionEngine shared = engine(wanted);
            List<Partition.Text> texts = shared.answer(partition, killed);
            return new Partition.Result(texts, null, name(), shared.fallbacks());
        } catch (InputException e) {
            return Partition.Result.refused(place() + ": " + e.getMessage());
        }
    }

    private synchronized Place place() {
        return place;
    }

    private synchronized String name() {
        return place.executor() + "/" + opened;
    }

    private synchronized PartitionEngine engine(String wanted) {
        if (engine == null || engine.hasFailed() || !wanted.equals(setup)) {
            stop();
            engine = new PartitionEngine(Json.parse(wanted, EngineSetup.class, "setup"), place);
            setup = wanted;
            opened++;
        }
        return engine;
    }
}
