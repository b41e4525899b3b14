package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.parallel.RankGroup;

/**
 * Runs each plan on every rank of a model. Each rank has its own {@link StepRunner}, and all runners execute the same
 * immutable plans in the same order. The host reads the results of rank 0. The methods are called on the thread of rank
 * 0. This thread does not wait for the threads of the other ranks; the ranks synchronise in the collectives of a step.
 */
public final class ParallelStepRunner implements AutoCloseable {
    private final RankGroup ranks;
    private final List<StepRunner> runners;

    /** @param runners runners in rank order, each created on its rank's thread */
    public ParallelStepRunner(RankGroup ranks, List<StepRunner> runners) {
        this.ranks = ranks;
        this.runners = List.copyOf(runners);
    }

    /** Enqueues a step. */
    public void enqueue(StepPlan plan) {
        ranks.follow(rank -> runners.get(rank).enqueue(plan));
        runners.getFirst().enqueue(plan);
    }

    /** Waits for the oldest step in flight and returns its results, which are valid until the next call. */
    public StepResults await() {
        // Each other rank also waits for its step, so that it can then reuse the memory of the step.
        ranks.follow(rank -> runners.get(rank).await());
        return runners.getFirst().await();
    }

    /**
     * Must be called when there is no work for another step. The time until the next step is then not counted as host
     * wait.
     */
    public void idle() {
        runners.getFirst().idle();
    }

    /**
     * Must be called after adapters have changed. Waits until the steps in flight are complete, but does not read their
     * results.
     */
    public void adaptersChanged() {
        ranks.run(rank -> {
            runners.get(rank).adaptersChanged();
            return null;
        });
    }

    /** Statistics of rank 0. */
    public StepStats stats() {
        return runners.getFirst().stats();
    }

    /** Waits for the steps in flight on every rank, then frees graphs, events and pinned memory. */
    @Override
    public void close() {
        ranks.run(rank -> {
            runners.get(rank).close();
            return null;
        });
    }
}
