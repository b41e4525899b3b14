package org.ingrain.spark;

import java.util.List;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.ParallelConfig;
import org.ingrain.tensor.InputException;

/**
 * An executor, and the GPUs and cores that it may use.
 *
 * @param executor the executor's id
 * @param host     name of its machine
 * @param gpus     device indices of the executor's GPUs (spark.executor.resource.gpu)
 * @param cores    number of the executor's cores (spark.executor.cores); 0 if Spark gave the executor all cores of the
 *                 machine
 */
record Place(String executor, String host, List<String> gpus, int cores) {
    /**
     * Returns the driver's options with the GPUs or cores of this executor. The number of copies of the model is the
     * largest for which this executor has enough devices.
     *
     * @throws InputException if the driver's options require GPUs and the executor has none
     */
    ModelOptions options(ModelOptions driver) {
        ModelOptions own = driver.withParallel(new ParallelConfig(driver.parallel().tensorParallelSize(), 0));
        if (driver.backend().equals("cpu")) {
            return driver.threads() == 0 ? own.withThreads(cores) : own;
        }
        if (gpus.isEmpty()) {
            throw InputException.field("device", driver.backend()
                    + ", expected GPUs for the executor: set spark.executor.resource.gpu.amount");
        }
        return own.withDevice(driver.backend() + ":" + String.join(",", gpus));
    }

    @Override
    public String toString() {
        return "executor " + executor + " on " + host;
    }
}
