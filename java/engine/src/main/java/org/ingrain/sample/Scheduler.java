package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Implements continuous batching: decides which sequences the next step computes, and how many tokens of each sequence.
 * The scheduler handles only token counts and block numbers. It accesses neither the device nor texts.
 *
 * <p>A sequence is either waiting or running. A running sequence holds blocks for all of its tokens. A step is planned
 * in this order:
 * <ol>
 * <li>Each running sequence gets the blocks for its next token, oldest sequence first. If no block is available, the
 * newest sequence is preempted: it releases all of its blocks and waits again at the head of the queue. Its tokens are
 * recomputed later. On the CPU, and on a GPU in deterministic mode, the recomputation gives bitwise equal results.
 * <li>Each running sequence with exactly one uncomputed token computes this token.
 * <li>The rest of the step's token budget is assigned to prompts: first to prompts of running sequences, then to
 * prompts of waiting sequences. A waiting sequence is admitted if the cache has enough blocks for it and fewer than the
 * maximum number of sequences are running. A prompt may take several steps.
 * <li>If the step computes the last token of a sequence, it also draws the sequence's next token. When the first token
 * after a prompt is drawn, the other samples of the request are forked from the sequence.
 * </ol>
 *
 * <p>Example with blocks of 16 tokens and steps of at most 40 tokens. Request A has a prompt of 20 tokens and 2
 * samples, request B a prompt of 50 tokens and 1 sample:
 * <pre>
 *   step 1   A0 computes 20 and draws, A1 is forked and draws from the same row; B0 is admitted and computes 20
 *   step 2   A0 and A1 compute 1 each and draw; B0 computes 30 and draws
 *   step 3   all three compute 1 each and draw
 * </pre>
 */
final class Scheduler {
    private final GeneratorConfig config;
    private final BlockPool pool;
    private final ArrayDeque<Sequence> waiting = new ArrayDeque<>();
    private final List<Sequence> running = new ArrayList<>();
    private long preemptions;
    private long prefixTokens;
    private long prefixHits;

    Scheduler(GeneratorConfig config, BlockPool pool) {
        this.config = config;
        this.pool = pool;
    }

    /** Queues a request. The request's first sample computes the prompt for all samples. */
    void enqueue(Ticket ticket) {
        waiting.addLast(new Sequence(ticket, ticket.request.firstSample(),
                new BlockTable(pool, ticket.request.adapterSlot())));
    }

    boolean idle() {
        return waiting.isEmpty() && running.isEmpty();
    }

    /** Number of unfinished samples, including samples that have not been forked yet. */
    int unfinished() {
        return inFlight().stream().mapToInt(sequence -> sequence.ticket.forking()
                ? sequence.ticket.request.samples() : 1).sum();
    }

    GeneratorLoad load() {
        return new GeneratorLoad(running.size(), pool.blocks() - pool.available(), pool.blocks(), preemptions,
                prefixTokens, prefixHits);
    }

    List<Sequence> inFlight() {
        List<Sequence> all = new ArrayList<>(running);
        all.addAll(waiting);
        return all;
    }

    /** Removes a running or waiting sequence and frees its blocks. */
    void remove(Sequence sequence) {
        if (!running.remove(sequence)) {
            waiting.remove(sequence);
        }
        sequence.table.drop();
    }

    /**
     * Plans the next step. If the step forks more samples than can run, the list contains further plans, which draw the
     * first tokens of the samples that must wait. A running sequence is part of the step even if its last token is
     * unread, unless this token gives the sequence its maximum length. The list is empty if nothing can be computed
     * until the host has read a token.
     */
    List<PlannedStep> plan() {
        reserve();
        List<Slice> slices = slices();
        if (slices.isEmpty()) {
            return List.of();
        }
        StepBuilder step = new StepBuilder();
        for (Slice slice : config.sharePrefix() ? Slice.group(slices) : Slice.separate(slices)) {
            Sequence sequence = slice.sequence();
            int logitRow = step.add(slice);
            if (logitRow >= 0) {
                step.draw(sequence, logitRow);
                if (sequence.ticket.forking()) {
                    fork(sequence, logitRow, step);
                }
            }
        }
        return step.build(config.maxSequences());
    }

    /**
     * Allocates the blocks for all tokens of every running sequence, oldest sequence first. If no block is available,
     * the newest running sequence is preempted; this may be the sequence that needs the block.
     */
    private void reserve() {
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            while (i < running.size() && !sequence.full(config.contextLength())
                    && !sequence.table.grow(sequence.length())) {
                evict(running.getLast());
            }
        }
    }

    private void evict(Sequence sequence) {
        preemptions++;
        running.remove(sequence);
        sequence.table.drop();
        waiting.addFirst(sequence);
    }

    /**
     * Chooses how many tokens each sequence computes. A separate limit applies to prompt tokens whose log-probabilities
     * are requested.
     */
    private List<Slice> slices() {
        int budget = config.maxBatchTokens();
        int scores = GeneratorConfig.MAX_SCORES;
        List<Slice> slices = new ArrayList<>();
        ArrayDeque<Sequence> prompts = new ArrayDeque<>();
        for (Sequence sequence : running) {
            if (sequence.full(config.contextLength())) {
                continue;
            }
            if (sequence.pending() == 1) {
                slices.add(new Slice(sequence, 1));
                budget--;
            } else {
                prompts.add(sequence);
            }
        }
        while (budget > 0) {
            Sequence sequence = prompts.isEmpty() ? admit() : prompts.removeFirst();
            if (sequence == null) {
                break;
            }
            int tokens = Math.min(sequence.pending(), budget);
            if (sequence.ticket.wantsPrompt()) {
                tokens = Math.min(tokens, scores);
                scores -= tokens;
            }
            if (tokens == 0) {
                break;
            }
            slices.add(new Slice(sequence, tokens));
            budget -= tokens;
        }
        return slices;
    }

    /**
     * Admits the oldest waiting sequence and returns it. Returns null if no sequence waits, if a token of the oldest
     * waiting sequence has not been read yet, or if the batch or the cache is full.
     */
    private Sequence admit() {
        Sequence sequence = waiting.peekFirst();
        if (sequence == null || sequence.unread() > 0 || running.size() >= config.maxSequences()) {
            return null;
        }
        if (!sequence.ticket.wantsPrompt()) {
            sequence.adopt();
        }
        if (sequence.table.missing(sequence.length()) > pool.available()) {
            sequence.table.drop();
            return null;
        }
        prefixTokens += sequence.length();
        prefixHits += sequence.table.computed();
        sequence.table.grow(sequence.length());
        waiting.removeFirst();
        running.add(sequence);
        return sequence;
    }

    /**
     * Creates the other samples of a request in the step that completes the prompt. All samples draw their first token
     * from the same row of logits.
     */
    private void fork(Sequence trunk, int logitRow, StepBuilder step) {
        trunk.ticket.forked();
        for (int i = 1; i < trunk.ticket.request.samples(); i++) {
            Sequence fork = new Sequence(trunk.ticket, trunk.number + i, trunk.table.fork());
            if (running.size() < config.maxSequences() && fork.table.grow(fork.table.computed())) {
                running.add(fork);
                if (fork.table.partial()) {
                    step.copy(trunk.table.last(), fork.table.last());
                }
                step.draw(fork, logitRow);
            } else {
                fork.table.drop();
                waiting.addFirst(fork);
                step.drawForWaiting(fork, logitRow);
            }
        }
    }
}
