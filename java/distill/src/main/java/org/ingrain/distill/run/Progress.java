package org.ingrain.distill.run;

/**
 * Receives the progress of a run. An implementation must not affect the results. Any thread may call the methods, but
 * no two calls are concurrent.
 */
@FunctionalInterface
public interface Progress {
    Progress SILENT = state -> {
    };

    void at(State state);

    /** Receives a line about the run, for example that a stage is taken over from another run. */
    default void say(String line) {
    }

    /**
     * The progress of a stage.
     *
     * @param stage name of the stage, such as sample, train or evaluate system-1
     * @param done  number of finished units, including units that earlier processes of the run finished
     * @param total number of all units, at least 1
     * @param unit  unit of {@code done} and {@code total}, such as samples or steps
     * @param rate  mean number of tokens per second since this process started the stage; 0 if unknown
     */
    record State(String stage, long done, long total, String unit, double rate) {
        /** Share of the stage that is done, 0 to 1. */
        public double share() {
            return (double) done / total;
        }
    }
}
