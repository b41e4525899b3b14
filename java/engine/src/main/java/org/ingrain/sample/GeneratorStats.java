package org.ingrain.sample;

/**
 * Statistics of a generator since its creation.
 *
 * @param steps          number of steps enqueued
 * @param tokens         number of generated tokens that the host has read, not including {@code surplus}
 * @param surplus        number of tokens that were drawn after the end of their sample and discarded
 * @param stepMillis     time that the device spent on steps, in milliseconds
 * @param hostWaitMillis time that the device was idle between two steps while there was work, in milliseconds
 * @param graphReplays   number of steps that replayed a captured graph
 * @param graphCaptures  number of steps that captured a graph and then launched it
 * @param eagerSteps     number of steps whose ops were enqueued one by one
 */
public record GeneratorStats(long steps, long tokens, long surplus, double stepMillis, double hostWaitMillis,
                             long graphReplays, long graphCaptures, long eagerSteps) {
    /** {@code hostWaitMillis} as a fraction of {@code stepMillis + hostWaitMillis}, 0 to 1; 0 if both are 0. */
    public double hostWaitShare() {
        double all = stepMillis + hostWaitMillis;
        return all > 0 ? hostWaitMillis / all : 0;
    }

    /** The sum of the statistics of two replicas. */
    GeneratorStats plus(GeneratorStats other) {
        return new GeneratorStats(steps + other.steps, tokens + other.tokens, surplus + other.surplus,
                stepMillis + other.stepMillis, hostWaitMillis + other.hostWaitMillis,
                graphReplays + other.graphReplays, graphCaptures + other.graphCaptures, eagerSteps + other.eagerSteps);
    }

    /** The difference between these statistics and earlier statistics of the same generator. */
    public GeneratorStats since(GeneratorStats earlier) {
        return new GeneratorStats(steps - earlier.steps, tokens - earlier.tokens, surplus - earlier.surplus,
                stepMillis - earlier.stepMillis, hostWaitMillis - earlier.hostWaitMillis,
                graphReplays - earlier.graphReplays, graphCaptures - earlier.graphCaptures,
                eagerSteps - earlier.eagerSteps);
    }
}
