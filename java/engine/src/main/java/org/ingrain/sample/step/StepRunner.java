package org.ingrain.sample.step;

import org.ingrain.ffi.Context;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Step;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * Enqueues planned steps, whose results the host reads later. A step consists of five parts, in this order: one copy of
 * the step's small arrays to the device, the selection of the token ids (known ids, or ids drawn by the previous step),
 * the forward pass of the model, the draws, and one copy of the results to pinned memory. Only rank 0 copies results;
 * the ids that rank 0 draws are sent to all ranks. To read a step, the host waits only for the event after the copy of
 * the results. All ops run on one stream, in the order of the steps. The host may therefore reassign a cache block
 * immediately: the next sequence that uses the block writes to it only in a later step.
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
     * Creates a runner for the steps of one model.
     *
     * @param cache    a cache that has {@link #fillerBlocks} more blocks than the plans use
     * @param adapters bank of adapters, or null
     * @param buffers  device memory for the steps
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

    /** Number of cache blocks to which only padding rows write. */
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
        results.use(draws.count(), plan.scoredTokens(), plan.topTokens(),
                plan.biases().stream().mapToInt(StepPlan.Bias::draw).toArray());
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

    /**
     * Must be called after adapters have changed. Waits until the steps in flight are complete, but does not read their
     * results.
     */
    public void adaptersChanged() {
        context.synchronize();
        graphs.forgetAdapters();
    }

    /** Waits for the oldest step in flight and returns its results, which are valid until the next call. */
    public StepResults await() {
        return ring.await();
    }

    /**
     * Must be called when there is no work for another step. The time until the next step is then not counted as host
     * wait.
     */
    public void idle() {
        ring.idle();
    }

    public StepStats stats() {
        return new StepStats(steps, ring.stepMillis(), ring.hostWaitMillis(), graphs.replays(), graphs.captures(),
                graphs.eager());
    }

    /**
     * Waits for the steps in flight, then frees graphs, events and pinned memory. The runner does not own the model,
     * the cache and the buffers, so they are not freed.
     */
    @Override
    public void close() {
        context.synchronize();
        graphs.close();
        ring.close();
    }
}
