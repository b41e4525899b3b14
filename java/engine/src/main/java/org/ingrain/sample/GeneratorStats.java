package org.ingrain.sample;

/**
 * What a generator has done since it was made.
 *
 * @param steps          enqueued
 * @param tokens         drawn and read
 * @param surplus        tokens drawn for samples that turned out to have ended, and thrown away
 * @param stepMillis     time the device spent on steps
 * @param hostWaitMillis time the device was idle between steps, waiting for the host, while there was work
 * @param graphReplays   steps that were one launch of a graph captured before
 * @param graphCaptures  steps that first had to be captured as a graph
 * @param eagerSteps     steps whose ops were enqueued one by one
 */
public record GeneratorStats(long steps, long tokens, long surplus, double stepMillis, double hostWaitMillis,
                             long graphReplays, long graphCaptures, long eagerSteps) {
    /** Share of the time in which the device waited for the host, 0 to 1. */
    public double hostWaitShare() {
        double all = stepMillis + hostWaitMillis;
        return all > 0 ? hostWaitMillis / all : 0;
    }

    /** Both together: of two replicas. */
    GeneratorStats plus(GeneratorStats other) {
        return new GeneratorStats(steps + other.steps, tokens + other.tokens, surplus + other.surplus,
                stepMillis + other.stepMillis, hostWaitMillis + other.hostWaitMillis,
                graphReplays + other.graphReplays, graphCaptures + other.graphCaptures, eagerSteps + other.eagerSteps);
    }

    /** What was done since an earlier count of the same generator. */
    public GeneratorStats since(GeneratorStats earlier) {
        return new GeneratorStats(steps - earlier.steps, tokens - earlier.tokens, surplus - earlier.surplus,
                stepMillis - earlier.stepMillis, hostWaitMillis - earlier.hostWaitMillis,
                graphReplays - earlier.graphReplays, graphCaptures - earlier.graphCaptures,
                eagerSteps - earlier.eagerSteps);
    }
}
