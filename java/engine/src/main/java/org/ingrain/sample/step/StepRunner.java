package org.ingrain.sample.step;

import org.ingrain.ffi.Context;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Step;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * Enqueues planned steps, of which the host reads what they draw later. A step is one copy to the device of all its
 * small arrays, the choice of its ids among given ones and those that the step before draws, the model, the draws, and
 * one copy back into pinned memory (on rank 0 alone, whose ids every rank gets); an event behind
 * it is all that the host ever waits for. All runs on one stream, so
 * that a block of the cache may change hands as soon as the host decides it: its next holder writes it in a later step.
 */
public final class StepRunner implements AutoCloseable {
    private static final int[] FILLER = {0};

    private final Context context;
    private final Decoder decoder;
    private final KvCache cache;
    private final AdapterBank adapters;
    private final int maxSequences;
    private final Step.Placement[] fillers;
    private final Staging staging;
    private final Step step;
    private final Draws draws;
    private final DecodeGraphs graphs;
    private final StepRing ring;
    private final int ranks;
    private final boolean reads;
    private Tensor logits;
    private long steps;

    /**
     * Steps of one model.
     *
     * @param cache    with {@link #fillerBlocks} more blocks than plans name
     * @param adapters or null
     */
    public StepRunner(Decoder decoder, KvCache cache, AdapterBank adapters, StepBuffers buffers) {
        this.context = decoder.context();
        this.decoder = decoder;
        this.cache = cache;
        this.adapters = adapters;
        maxSequences = buffers.limits.sequences();
        fillers = new Step.Placement[maxSequences];
        for (int i = 0; i < maxSequences; i++) {
            fillers[i] = new Step.Placement(new int[] {cache.blocks() - 1}, i, 0, -1);
        }
        staging = buffers.staging;
        step = buffers.step;
        draws = buffers.draws;
        ranks = decoder.weights().rank().count();
        reads = decoder.weights().rank().index() == 0;
        graphs = new DecodeGraphs(context);
        ring = new StepRing(context, buffers.maxInFlight + 1, Draws.resultElements(buffers.limits) * Integer.BYTES);
    }

    /** Blocks of the cache that rows write which only fill a batch up. */
    public static int fillerBlocks(Context context) {
        return context.device().graphs() ? 1 : 0;
    }

    /** Enqueues a step. */
    public void enqueue(StepPlan plan) {
        StepResults results = ring.begin();
        staging.begin();
        if (plan.parts().isEmpty()) {
            draws.begin(plan, plan.draws().size());
            upload();
            draw();
        } else {
            enqueueParts(plan);
            steps++;
        }
        results.use(draws.count());
        Tensor drawn = draws.results();
        if (reads && drawn.elements() > 0) {
            context.copyToHostAsync(results.memory.asSlice(0, drawn.bytes()), drawn);
        }
        ring.end(results);
    }

    private void enqueueParts(StepPlan plan) {
        boolean decode = graphs.available() && plan.decodesOnly();
        int rows = plan.parts().size();
        int filled = decode ? DecodeGraphs.bucket(rows, maxSequences) : rows;
        int filling = filled - rows;
        boolean slots = plan.adapters();
        step.begin(new Step.Shape(plan.tokens() + filling, filled, plan.logitRows().length + filling, slots));
        plan.parts().forEach(this::add);
        for (int row : plan.logitRows()) {
            step.wantLogits(row);
        }
        for (int i = rows; i < filled; i++) {
            step.wantLogits(step.add(FILLER, 0, fillers[i]));
        }
        draws.begin(plan, plan.draws().size() + filling);
        Tensor copies = StepBuffers.reserveCopies(staging, plan.copies().length);
        for (int i = 0; i < plan.copies().length; i++) {
            staging.put(copies, i, plan.copies()[i]);
        }
        upload();
        graphs.run(decode ? new DecodeGraphs.Key(filled, slots) : null, () -> compute(copies));
    }

    private void add(StepPlan.Part part) {
        if (part.drawnRow() >= 0) {
            step.addDrawn(part.drawnRow(), part.from(), part.place());
        } else {
            step.add(part.ids(), part.from(), part.place());
        }
    }

    private void upload() {
        context.copyToDevice(staging.memory(), staging.image());
    }

    private void compute(Tensor copies) {
        step.selectIds(draws.drawn());
        logits = decoder.forward(step, cache, adapters);
        if (copies.elements() > 0) {
            cache.copyBlocks(copies);
        }
        draw();
    }

    private void draw() {
        draws.compute(logits);
        if (ranks > 1) {
            draws.share();
        }
    }

    /** Adapters have changed; waits for the steps in flight, but does not read them. */
    public void adaptersChanged() {
        context.synchronize();
        graphs.forgetAdapters();
    }

    /** Waits for the oldest plan in flight; its results can be read until the next one is awaited. */
    public StepResults await() {
        return ring.await();
    }

    /** No step follows because there is no work. */
    public void idle() {
        ring.idle();
    }

    public StepStats stats() {
        return new StepStats(steps, ring.stepMillis(), ring.hostWaitMillis(), graphs.replays(), graphs.captures(),
                graphs.eager());
    }

    /**
     * Waits for the steps in flight, then frees graphs, events and pinned memory; model, cache and buffers are the
     * caller's.
     */
    @Override
    public void close() {
        context.synchronize();
        graphs.close();
        ring.close();
    }
}
