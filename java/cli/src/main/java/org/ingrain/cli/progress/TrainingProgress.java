package org.ingrain.cli.progress;

import java.util.Locale;
import org.ingrain.train.run.TrainProgress;

/** Shows the number of steps, the loss and the tokens per second of a training. */
public final class TrainingProgress implements TrainProgress, AutoCloseable {
    private final String name;
    private final int warmupSteps;
    private ProgressDisplay progress;

    public TrainingProgress(String name, int warmupSteps) {
        this.name = name;
        this.warmupSteps = warmupSteps;
    }

    /** Prints a warning if the training would end during the warm-up. */
    static void warnOfLongWarmup(String name, int warmupSteps, long steps) {
        if (warmupSteps >= steps) {
            System.err.println(name + ": --warmup-steps " + warmupSteps + " is not less than the number of steps, "
                    + steps + ": the learning rate never reaches --learning-rate");
        }
    }

    @Override
    public void trained(Step step) {
        if (progress == null) {
            warnOfLongWarmup(name, warmupSteps, step.of());
            progress = new ProgressDisplay(name, "steps", step.step() - 1, step.of());
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
