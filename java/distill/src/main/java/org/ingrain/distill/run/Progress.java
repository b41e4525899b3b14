package org.ingrain.distill.run;

/** Told how far a run is. Nothing of a result depends on it. Calls come from any thread, one at a time. */
@FunctionalInterface
public interface Progress {
    Progress SILENT = state -> {
    };

    void at(State state);

    /**
     * How far a stage is.
     *
     * @param stage name of the stage: sample, curate, train, evaluate system-1 ...
     * @param done  of {@code total}, what earlier processes did included
     * @param total at least 1
     * @param unit  of done and total: samples, steps
     * @param rate  tokens per second since this process began the stage, 0 if it is not known
     */
    record State(String stage, long done, long total, String unit, double rate) {
        /** Share of the stage that is done, 0 to 1. */
        public double share() {
            return (double) done / total;
        }
    }
}
