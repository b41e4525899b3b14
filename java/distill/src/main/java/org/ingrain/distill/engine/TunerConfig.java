package org.ingrain.distill.engine;

import org.ingrain.distill.model.TunerSettings;
import org.ingrain.model.AdapterBank;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;

/**
 * Training settings of {@link EngineTuner}.
 *
 * @param lora settings of the adapter; null if all weights are trained
 */
public record TunerConfig(LoraConfig lora, OptimizerConfig optimizer, TrainConfig train) implements TunerSettings {
    @Override
    public boolean full() {
        return lora == null;
    }

    /** Limits of a generator that uses the trained adapters. If all weights are trained, there are no adapter slots. */
    public AdapterBank.Limits limits() {
        return lora == null ? AdapterBank.Limits.of(0, 0) : lora.limits(1);
    }

    @Override
    public int rowsPerStep() {
        return train.batchSize() * train.gradientAccumulation();
    }

    @Override
    public long steps(long rows) {
        return train.maxSteps() > 0 ? train.maxSteps() : Math.ceilDiv(rows, (long) rowsPerStep()) * train.epochs();
    }

    /**
     * A copy of these settings for a training of {@code steps} steps of {@code rows} rows that writes one checkpoint,
     * after the last step. If {@code rows} equals {@link #rowsPerStep}, each step has the same micro-batches as with
     * these settings; otherwise each step is one micro-batch.
     */
    public TunerConfig trial(int steps, int rows) {
        boolean whole = rows == rowsPerStep();
        return new TunerConfig(lora, optimizer, new TrainConfig(0, steps, whole ? train.batchSize() : rows,
                whole ? train.gradientAccumulation() : 1, train.seed(), 0, steps, 1, train.activationCheckpointing()));
    }
}
