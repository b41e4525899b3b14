package org.ingrain.distill.run;

/** Receives the progress of a run. Results do not depend on it. Calls come from any thread, one at a time. */
@FunctionalInterface
public interface Progress {
    Progress SILENT = state -> {
    };

    void at(State state);

    /**
     * The progress of a stage.
     *
     * @param stage name of the stage: sample, curate, train, evaluate system-1 ...
     * @param done  finished units, including those of earlier processes
     * @param total all units, at least 1
     * @param unit  unit of done and total: samples, steps
     * @param rate  tokens per second since this process started the stage; 0 if unknown
     */
    record State(String stage, long done, long total, String unit, double rate) {
        /** Share of the stage that is done, 0 to 1. */
        public double share() {
            return (double) done / total;
        }
    }
}
