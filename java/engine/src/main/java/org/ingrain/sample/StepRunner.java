package org.ingrain.sample;

import java.util.List;
import java.util.stream.Stream;
import org.ingrain.ffi.Context;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Step;
import org.ingrain.sample.StepWork.Draw;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * Enqueues steps, of which the host reads what they draw later. A step is one copy to the device of all its small arrays, the choice of
 * its ids among given ones and those that the step before draws, the model, the draws, and one copy back into pinned memory; an event
 * behind it is all that the host ever waits for. All runs on one stream, so that a block of the cache may change hands as soon as the
 * host decides it: its next holder writes it in a later step.
 */
final class StepRunner {
    private static final int[] FILLER = {0};

    private final Context context;
    private final Decoder llama;
    private final KvCache cache;
    private final AdapterBank adapters;
    private final int maxSequences;
    private final int fillerBlock;
    private final Staging staging;
    private final Step step;
    private final Draws draws;
    private final DecodeGraphs graphs;
    private final StepRing ring;
    private Tensor logits;
    private long steps;

    /**
     * Steps of one model within limits.
     *
     * @param cache       with {@link #fillerBlocks} more blocks than are given to samples
     * @param adapters    or null
     * @param maxInFlight steps that may be enqueued and not yet read
     */
    StepRunner(Decoder llama, KvCache cache, AdapterBank adapters, Step.Limits limits, int maxInFlight) {
        this.context = llama.context();
        this.llama = llama;
        this.cache = cache;
        this.adapters = adapters;
        maxSequences = limits.sequences();
        fillerBlock = cache.blocks() - 1;
        int slots = maxInFlight + 1;
        long stagedBytes = stagedBytes(limits);
        staging = new Staging(context.allocate(DType.I32, stagedBytes / Integer.BYTES),
                Stream.generate(() -> context.hostAllocate(stagedBytes)).limit(slots).toList());
        staging.clear();
        step = new Step(context, limits, staging);
        draws = new Draws(context, staging, maxSequences, limits.logitRows(), llama.config().vocabSize());
        graphs = new DecodeGraphs(context);
        ring = new StepRing(context, slots, Draws.resultElements(maxSequences, limits.logitRows()) * Integer.BYTES);
    }

    /** Blocks of the cache that rows write which only fill a batch up. */
    static int fillerBlocks(Context context) {
        return context.graphs() ? 1 : 0;
    }

    private static long stagedBytes(Step.Limits limits) {
        long pairs = 2L * limits.sequences() * Integer.BYTES + Staging.ALIGNMENT;
        long bytes = Step.stagedBytes(limits) + Draws.stagedBytes(limits.sequences(), limits.logitRows()) + pairs;
        return Math.ceilDiv(bytes, Staging.ALIGNMENT) * Staging.ALIGNMENT;
    }

    /** Bytes that the constructor allocates on the device, but for a few per row. */
    static long bytes(Step.Limits limits, int vocabSize) {
        return Draws.bytes(limits.sequences(), vocabSize) + stagedBytes(limits);
    }

    /** Enqueues a step. */
    void enqueue(StepWork work) {
        boolean decode = graphs.available() && work.decodesOnly();
        int rows = work.parts().size();
        int filled = decode ? DecodeGraphs.bucket(rows, maxSequences) : rows;
        boolean slots = work.adapters();
        Flight flight = ring.begin();
        staging.begin();
        step.begin(new Step.Shape(work.tokens() + filled - rows, filled, work.logitRows().size() + filled - rows, slots));
        work.parts().forEach(this::add);
        work.logitRows().forEach(step::wantLogits);
        for (int i = rows; i < filled; i++) {
            step.wantLogits(step.add(FILLER, 0, 1, new Step.Placement(new int[] {fillerBlock}, i, 0, -1)));
        }
        draws.begin(work.draws(), work.draws().size() + filled - rows, work.scores());
        Tensor copies = staging.reserve(DType.I32, work.copies().size());
        for (int i = 0; i < work.copies().size(); i++) {
            staging.put(copies, i, (int) work.copies().get(i));
        }
        upload();
        graphs.run(decode ? new DecodeGraphs.Key(filled, slots) : null, () -> compute(copies));
        flight.carry(work.draws(), draws.count(), work.scores());
        land(flight);
        steps++;
    }

    /** Enqueues draws from the logits of the step before, for samples that wait beside the batch. */
    void enqueueOverflow(List<Draw> some) {
        Flight flight = ring.begin();
        staging.begin();
        draws.beginOverflow(some);
        upload();
        draws.compute(logits);
        flight.carry(some, draws.count(), List.of());
        land(flight);
    }

    private void add(Scheduler.Part part) {
        Sequence sample = part.sample();
        int[] blocks = sample.blocks.stream().mapToInt(Integer::intValue).toArray();
        Step.Placement place = new Step.Placement(blocks, part.group(), part.prefixBlocks(), sample.ticket.request.adapterSlot());
        if (part.drawnRow() >= 0) {
            step.addDrawn(part.drawnRow(), part.from(), place);
        } else {
            step.add(sample.ids(), part.from(), part.from() + part.tokens(), place);
        }
    }

    private void upload() {
        context.copyToDevice(staging.memory(), staging.image());
    }

    private void compute(Tensor copies) {
        step.selectIds(draws.drawn());
        logits = llama.forward(step, cache, adapters);
        if (copies.elements() > 0) {
            cache.copyBlocks(copies);
        }
        draws.compute(logits);
    }

    private void land(Flight flight) {
        Tensor results = draws.results();
        if (results.elements() > 0) {
            context.copyToHostAsync(flight.memory.asSlice(0, results.bytes()), results);
        }
        ring.end(flight);
    }

    /** Adapters have changed; waits for the steps in flight, but does not read them. */
    void adaptersChanged() {
        context.synchronize();
        graphs.forgetAdapters();
    }

    /** Steps and overflows in flight. */
    int inFlight() {
        return ring.size();
    }

    /** Waits for the oldest step in flight. */
    Flight settle() {
        return ring.settle();
    }

    /** No step follows for want of work. */
    void rest() {
        ring.rest();
    }

    /** What was done so far, with counts of tokens that the caller keeps. */
    GeneratorStats stats(long tokens, long surplus) {
        return new GeneratorStats(steps, tokens, surplus, ring.stepMillis(), ring.hostWaitMillis(), graphs.replays(), graphs.captures(),
                graphs.eager());
    }
}
