package org.ingrain.spark;

import java.util.List;
import java.util.function.BooleanSupplier;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;

/**
 * The engine of an executor, which all tasks of the executor share. The first task opens the engine. If the engine has
 * failed or a task needs another setup, this task closes the engine and opens a new one.
 */
final class ExecutorEngine {
    /** This field is static, because the tasks of an executor run in the same process but share no objects. */
    static final ExecutorEngine EXECUTOR = new ExecutorEngine();

    private Place place = new Place("?", "?", List.of(), 0);
    private String setup;
    private PartitionEngine engine;
    /** Number of engines that were opened in this process. */
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
     * Answers a partition. Its requests share a batch with the requests of other tasks. If the user's input has an
     * error, the result is a refusal with the error message.
     *
     * @param wanted the {@link EngineSetup} as JSON
     * @param killed returns whether Spark has killed the task
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
