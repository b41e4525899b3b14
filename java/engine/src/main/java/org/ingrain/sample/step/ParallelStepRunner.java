package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.parallel.RankGroup;

/**
 * Runs each plan on every rank of a model: a {@link StepRunner} a rank, all on the same immutable plans in the same
 * order. The host reads what rank 0 has drawn. Used on the thread of rank 0, which does not wait for the others: they
 * meet in the collectives of a step.
 */
public final class ParallelStepRunner implements AutoCloseable {
    private final RankGroup ranks;
    private final List<StepRunner> runners;

    /** runners: in the order of ranks, each made on its rank's thread. */
    public ParallelStepRunner(RankGroup ranks, List<StepRunner> runners) {
        this.ranks = ranks;
        this.runners = List.copyOf(runners);
    }

    /** Enqueues a step. */
    public void enqueue(StepPlan plan) {
        ranks.follow(rank -> runners.get(rank).enqueue(plan));
        runners.getFirst().enqueue(plan);
    }

    /** Waits for the oldest plan in flight; its results can be read until the next one is awaited. */
    public StepResults await() {
        ranks.follow(rank -> runners.get(rank).await());   // each rank's small arrays are free again when it is done
        return runners.getFirst().await();
    }

    /** No step follows because there is no work. */
    public void idle() {
        runners.getFirst().idle();
    }

    /** Adapters have changed; waits for the steps in flight, but does not read them. */
    public void adaptersChanged() {
        ranks.run(rank -> {
            runners.get(rank).adaptersChanged();
            return null;
        });
    }

    /** Of rank 0. */
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
