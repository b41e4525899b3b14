package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Adapter;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Weights;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.step.ParallelStepRunner;
import org.ingrain.sample.step.StepBuffers;
import org.ingrain.sample.step.StepResults;
import org.ingrain.sample.step.StepRunner;
import org.ingrain.sample.step.StepStats;
import org.ingrain.tensor.InputException;

/**
 * A replica of the model with its own batch, cache and scheduler. The scheduler plans each step once for all ranks. A
 * replica is used only on the thread of its rank 0.
 */
final class Replica implements AutoCloseable {
    private static final int[] NONE = {};
    private static final float[] NO_PROBABILITIES = {};

    private final GeneratorConfig config;
    private final ShardedModel model;
    private final Set<Integer> eosIds;
    private final BlockPool pool;
    private final Scheduler scheduler;
    private final List<Allocator.Scope> memory;
    private final ParallelStepRunner runner;
    private final Deque<PlannedStep> inFlight = new ArrayDeque<>();
    private final int lag;
    private long tokens;
    private long surplus;

    /** @param lag maximum number of enqueued steps whose results are unread when {@link #step} returns */
    Replica(ShardedModel model, GeneratorConfig config, Set<Integer> eosIds, int lag) {
        this.config = config;
        this.model = model;
        this.eosIds = eosIds;
        this.lag = lag;
        memory = model.weights().stream().map(weights -> new Allocator.Scope(weights.context())).toList();
        runner = new ParallelStepRunner(model.ranks(), model.ranks().run(this::runner));
        pool = new BlockPool(config.blocks(), config.blockSize(), config.prefixCache());
        scheduler = new Scheduler(config, pool);
    }

    private StepRunner runner(int rank) {
        Parts parts = Parts.allocate(memory.get(rank), model.weights().get(rank), config, lag);
        return new StepRunner(parts.decoder, parts.cache, model.adapters(rank), parts.buffers);
    }

    /** The objects that a rank allocates in addition to the weights. */
    private record Parts(Decoder decoder, KvCache cache, StepBuffers buffers) {
        static Parts allocate(Allocator memory, Weights weights, GeneratorConfig config, int lag) {
            int ranks = weights.rank().count();
            return new Parts(new Decoder(memory, weights, config.limits(ranks)),
                    Replica.cache(memory, weights, config),
                    new StepBuffers(memory, config.limits(ranks), weights.config().vocabSize(), lag + 1));
        }
    }

    static KvCache cache(Allocator memory, Weights weights, GeneratorConfig config) {
        int blocks = config.blocks() + StepRunner.fillerBlocks(memory.context());
        return new KvCache(memory, weights, blocks, config.blockSize());
    }

    /** Number of bytes that a rank allocates in addition to its weights. */
    static long bytes(Weights weights, GeneratorConfig config) {
        return Allocator.bytes(weights.context(), memory -> Parts.allocate(memory, weights, config, 0));
    }

    ShardedModel model() {
        return model;
    }

    /** Number of unfinished samples. */
    int unfinished() {
        return scheduler.unfinished();
    }

    void enqueue(Ticket ticket) {
        scheduler.enqueue(ticket);
    }

    /** Replaces the adapter in a slot. No request for this slot may be in flight. */
    void loadAdapter(int slot, Adapter adapter) {
        if (scheduler.inFlight().stream().anyMatch(sequence -> sequence.ticket.request.adapterSlot() == slot)) {
            throw new IllegalStateException("adapter slot " + slot + " is in use");
        }
        pool.forgetAdapter(slot);
        model.ranks().run(rank -> {
            model.adapters(rank).load(slot, adapter);
            return null;
        });
        runner.adaptersChanged();
    }

    /**
     * Enqueues one step and reads the results of the oldest steps until at most {@code lag} steps are unread. Returns
     * false when no work is left; the device is then idle too.
     */
    boolean step() {
        finishCancelled();
        List<PlannedStep> steps = scheduler.plan();
        for (PlannedStep step : steps) {
            runner.enqueue(step.plan());
            inFlight.addLast(step);
            read(lag);
        }
        if (steps.isEmpty() && !inFlight.isEmpty()) {
            read(inFlight.size() - 1);
        } else if (steps.isEmpty() && !scheduler.idle()) {
            throw new IllegalStateException("nothing can be scheduled with " + pool.available() + " of " + pool.blocks()
                    + " blocks free");
        }
        if (!scheduler.idle()) {
            return true;
        }
        read(0);
        runner.idle();
        return false;
    }

    /** Reads the results of the oldest steps until at most {@code left} steps are in flight. */
    private void read(int left) {
        while (inFlight.size() > left) {
            PlannedStep step = inFlight.removeFirst();
            StepResults results = runner.await();
            int at = 0;
            for (PlannedStep.Scored scored : step.scored()) {
                for (int i = 0; i < scored.count(); i++) {
                    scored.ticket().promptLogProbabilities[scored.from() + i] = results.score(at);
                    if (scored.ticket().promptTopTokens != null) {
                        scored.ticket().promptTopTokens.set(scored.from() + i, results, step.drawn().size() + at);
                    }
                    at++;
                }
            }
            for (int i = 0; i < step.drawn().size(); i++) {
                Sequence sequence = step.drawn().get(i);
                if (sequence.finished()) {
                    surplus++;
                } else {
                    if (sequence.topTokens != null) {
                        sequence.topTokens.set(sequence.generated(), results, i);
                    }
                    accept(sequence, results.id(i), results.logProbability(i));
                }
            }
        }
    }

    private void accept(Sequence sequence, int id, float logProbability) {
        if (id < 0) {
            drop(sequence);
            sequence.ticket.listener.failed(sequence.number, new InputException(model.name()
                    + ": the logits are not finite at position " + (sequence.length() - sequence.unread())
                    + ", expected weights that give finite logits"));
            return;
        }
        tokens++;
        SamplingParams params = sequence.ticket.request.params();
        sequence.ticket.listener.token(sequence.number, sequence.topTokens == null
                ? new GeneratedToken(id, logProbability, NONE, NO_PROBABILITIES)
                : sequence.topTokens.token(id, logProbability, sequence.generated()));
        sequence.append(id, logProbability);
        if (params.ends(id, eosIds)) {
            finish(sequence, FinishReason.STOP);
            return;
        }
        append(sequence, sequence.decoder.append(id));
        if (sequence.text.stopped()) {
            finish(sequence, FinishReason.STOP);
        } else if (sequence.unread() == 0 && sequence.full(config.contextLength())) {
            finish(sequence, FinishReason.LENGTH);
        }
    }

    private void drop(Sequence sequence) {
        sequence.finish();
        scheduler.remove(sequence);
    }

    /** Appends decoded text. Text of the first {@code minTokens} tokens cannot complete a stop string. */
    private void append(Sequence sequence, String piece) {
        boolean exempt = sequence.generated() <= sequence.ticket.request.params().minTokens();
        emit(sequence, exempt ? sequence.text.appendExempt(piece) : sequence.text.append(piece));
    }

    private void emit(Sequence sequence, String piece) {
        if (!piece.isEmpty()) {
            sequence.ticket.listener.text(sequence.number, piece);
        }
    }

    private void finish(Sequence sequence, FinishReason reason) {
        if (!sequence.text.stopped()) {
            append(sequence, sequence.decoder.flush());
        }
        emit(sequence, sequence.text.flush());
        drop(sequence);
        sequence.ticket.listener.finished(new Completion(sequence.number, sequence.generatedIds(),
                sequence.generatedLogProbabilities(), sequence.text.text(), reason,
                sequence.ticket.promptLogProbabilities, sequence.topTokens, sequence.ticket.promptTopTokens));
    }

    private void finishCancelled() {
        for (Sequence sequence : scheduler.inFlight()) {
            Ticket ticket = sequence.ticket;
            if (!ticket.forking() && ticket.cancelled(sequence.number)) {
                finish(sequence, FinishReason.CANCELLED);
            } else if (ticket.forking() && ticket.allCancelled()) {
                cancelBeforeFork(sequence);
            }
        }
    }

    /** Cancels all samples of a request whose prompt has not been computed yet. */
    private void cancelBeforeFork(Sequence trunk) {
        drop(trunk);
        for (int i = 0; i < trunk.ticket.request.samples(); i++) {
            trunk.ticket.listener.finished(new Completion(trunk.number + i, new int[0], new float[0], "",
                    FinishReason.CANCELLED, trunk.ticket.promptLogProbabilities, trunk.topTokens,
                    trunk.ticket.promptTopTokens));
        }
    }

    GeneratorLoad load() {
        return scheduler.load();
    }

    GeneratorStats stats() {
        StepStats done = runner.stats();
        return new GeneratorStats(done.steps(), tokens, surplus, done.stepMillis(), done.hostWaitMillis(),
                done.graphReplays(), done.graphCaptures(), done.eagerSteps());
    }

    /**
     * Waits for the devices, then frees the memory. If a rank has failed, this method does nothing, and the memory is
     * freed when the contexts are closed.
     */
    @Override
    public void close() {
        if (model.ranks().hasFailed()) {
            return;
        }
        runner.close();
        model.ranks().run(rank -> {
            memory.get(rank).close();
            return null;
        });
    }
}
