package org.ingrain.spark;

import java.io.Serializable;
import org.apache.spark.TaskContext;
import org.ingrain.files.Json;
import scala.collection.Iterator;
import scala.runtime.AbstractFunction1;

/**
 * Answers a partition in an executor. The texts depend only on the partition, so a repeated or speculative attempt
 * returns the same texts. The task writes no files.
 */
final class PartitionTask extends AbstractFunction1<Iterator<String>, String> implements Serializable {
    private static final long serialVersionUID = 1;

    private final String setup;

    /** @param setup the {@link org.ingrain.distill.engine.EngineSetup} as JSON */
    PartitionTask(String setup) {
        this.setup = setup;
    }

    /**
     * Answers a partition.
     *
     * @param rows one element, a {@link Partition} as JSON
     * @return a {@link Partition.Result} as JSON
     */
    @Override
    public String apply(Iterator<String> rows) {
        Partition partition = Json.parse(rows.next(), Partition.class, "partition");
        return Json.line(ExecutorEngine.EXECUTOR.answer(setup, partition,
                TaskContext.get()::isInterrupted));
    }
}
