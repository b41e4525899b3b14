package org.ingrain.cli.progress;

import java.util.Locale;

/** Shows the progress of a run, with a separate {@link ProgressDisplay} for each stage. */
public final class StageProgress implements org.ingrain.distill.run.Progress, AutoCloseable {
    private final int warmupSteps;
    private String stage = "";
    private ProgressDisplay progress;

    /** @param warmupSteps number of warm-up steps of each training stage; 0 if there are no warm-up steps */
    public StageProgress(int warmupSteps) {
        this.warmupSteps = warmupSteps;
    }

    @Override
    public void at(State state) {
        if (!state.stage().equals(stage)) {
            close();
            stage = state.stage();
            if (state.unit().equals("steps")) {
                TrainingProgress.warnOfLongWarmup(stage, warmupSteps, state.total());
            }
            progress = new ProgressDisplay(stage, state.unit(), state.done(), state.total());
        }
        if (state.rate() > 0) {
            progress.note(String.format(Locale.ROOT, "%.0f tokens/s", state.rate()));
        }
        progress.at(state.done());
    }

    @Override
    public void say(String line) {
        close();
        System.err.println(line);
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
            stage = "";
        }
    }
}
