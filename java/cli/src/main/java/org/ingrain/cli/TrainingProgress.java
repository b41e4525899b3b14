package org.ingrain.cli;

import java.util.Locale;
import org.ingrain.train.TrainProgress;

/** Training's progress: steps, with the loss and tokens per second beside. */
final class TrainingProgress implements TrainProgress, AutoCloseable {
    private final String name;
    private Progress progress;

    TrainingProgress(String name) {
        this.name = name;
    }

    @Override
    public void trained(Step step) {
        if (progress == null) {
            progress = new Progress(name, "steps", step.step() - 1, step.of());
        }
        progress.note(String.format(Locale.ROOT, "loss %.4f, %.0f tokens/s", step.loss(), step.tokensPerSecond()));
        progress.at(step.step());
    }

    @Override
    public void validated(int step, double loss) {
        System.err.printf(Locale.ROOT, "%s: step %d, validation loss %.4f%n", name, step, loss);
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
