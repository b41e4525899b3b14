package org.ingrain.sample.step;

/**
 * What a runner has done since it was made.
 *
 * @param steps          enqueued
 * @param stepMillis     time the device spent on steps
 * @param hostWaitMillis time the device was idle between steps, waiting for the host, while there was work
 * @param graphReplays   steps that were one launch of a graph captured before
 * @param graphCaptures  steps that first had to be captured as a graph
 * @param eagerSteps     steps whose ops were enqueued one by one
 */
public record StepStats(long steps, double stepMillis, double hostWaitMillis, long graphReplays, long graphCaptures,
        long eagerSteps) {
}
