package org.ingrain.sample.step;

/**
 * Statistics of a runner since its creation.
 *
 * @param steps          number of steps enqueued
 * @param stepMillis     time that the device spent on steps, in milliseconds
 * @param hostWaitMillis time that the device was idle between two steps while there was work, in milliseconds
 * @param graphReplays   number of steps that replayed a captured graph
 * @param graphCaptures  number of steps that captured a graph and then launched it
 * @param eagerSteps     number of steps whose ops were enqueued one by one, without a graph
 */
public record StepStats(long steps, double stepMillis, double hostWaitMillis, long graphReplays, long graphCaptures,
        long eagerSteps) {
}
