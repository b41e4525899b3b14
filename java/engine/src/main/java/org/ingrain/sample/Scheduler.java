package org.ingrain.sample;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Continuous batching: which samples compute how many tokens in the next step. The oldest go first; a sample that needs a block when
 * none is left evicts the newest, which later computes its tokens again, bit for bit. New requests are admitted where the cache can
 * hold what they have to compute now, once all of their tokens have been read.
 */
final class Scheduler {
    private final GeneratorConfig config;
    private final BlockPool pool;
    private final ArrayDeque<Sequence> waiting = new ArrayDeque<>();
    private final List<Sequence> running = new ArrayList<>();

    /**
     * A sample's part of the next step.
     *
     * @param from         position of its first token
     * @param tokens       to compute
     * @param drawnRow     where its one token is among those that the step before draws, or -1 where all are known
     * @param group        of a shared prefix
     * @param prefixBlocks leading blocks that the group shares
     */
    record Part(Sequence sample, int from, int tokens, int drawnRow, int group, int prefixBlocks) {
        static Part of(Sequence sample, int tokens) {
            return new Part(sample, sample.computed(), tokens, sample.unread() > 0 ? sample.drawnRow() : -1, 0, 0);
        }

        Part in(int group, int prefixBlocks) {
            return new Part(sample, from, tokens, drawnRow, group, prefixBlocks);
        }
    }

    Scheduler(GeneratorConfig config, BlockPool pool) {
        this.config = config;
        this.pool = pool;
    }

    void enqueue(Sequence sample) {
        waiting.addLast(sample);
    }

    boolean idle() {
        return waiting.isEmpty() && running.isEmpty();
    }

    List<Sequence> inFlight() {
        List<Sequence> all = new ArrayList<>(running);
        all.addAll(waiting);
        return all;
    }

    /** Takes a sample out, wherever it is, and frees its blocks. */
    void remove(Sequence sample) {
        if (!running.remove(sample)) {
            waiting.remove(sample);
        }
        sample.drop(pool);
    }

    /** Puts a new fork beside its trunk where there is a place for it and, if it needs one, a block; otherwise it waits. */
    boolean place(Sequence fork, boolean needsBlock) {
        int block = -1;
        if (running.size() < config.maxSequences() && (!needsBlock || (block = pool.take()) >= 0)) {
            if (needsBlock) {
                fork.blocks.add(block);
            }
            running.add(fork);
            return true;
        }
        fork.drop(pool);
        waiting.addFirst(fork);
        return false;
    }

    /**
     * Parts of the next step; rows bounds the tokens of prompts whose own log-probabilities are wanted. Every running sample with an
     * unread token is among them, but for those whose last token that is. None where nothing can go on before a token is read.
     */
    List<Part> plan(int rows) {
        reserve();
        int budget = config.maxBatchTokens();
        int rowsLeft = rows;
        List<Part> parts = new ArrayList<>();
        List<Sequence> prompts = new ArrayList<>();
        for (Sequence sample : running) {
            if (sample.full(config.contextLength())) {
                continue;
            }
            if (sample.pending() == 1) {
                parts.add(Part.of(sample, 1));
                budget--;
            } else {
                prompts.add(sample);
            }
        }
        for (Sequence sample = next(prompts, budget); sample != null; sample = next(prompts, budget)) {
            int tokens = Math.min(sample.pending(), budget);
            if (sample.ticket.wantsPrompt()) {
                tokens = Math.min(tokens, rowsLeft);
                rowsLeft -= tokens;
            }
            if (tokens == 0) {
                break;
            }
            parts.add(Part.of(sample, tokens));
            budget -= tokens;
        }
        return config.sharePrefix() ? group(parts) : separate(parts);
    }

    /** Gives every running sample the blocks of all its tokens, oldest first, evicting the newest: which may be the sample itself. */
    private void reserve() {
        for (int i = 0; i < running.size(); i++) {
            Sequence sample = running.get(i);
            while (i < running.size() && !sample.full(config.contextLength()) && !grow(sample, sample.length())) {
                evict(running.getLast());
            }
        }
    }

    private void evict(Sequence sample) {
        running.remove(sample);
        sample.drop(pool);
        waiting.addFirst(sample);
    }

    private boolean grow(Sequence sample, int tokens) {
        while (sample.blocks.size() * config.blockSize() < tokens) {
            int block = pool.take();
            if (block < 0) {
                return false;
            }
            sample.blocks.add(block);
        }
        return true;
    }

    /** The next prompt to compute: one that is running already, else one that is admitted now; null where none fits. */
    private Sequence next(List<Sequence> prompts, int budget) {
        if (budget <= 0) {
            return null;
        }
        if (!prompts.isEmpty()) {
            return prompts.removeFirst();
        }
        Sequence sample = waiting.peekFirst();
        if (sample == null || sample.unread() > 0 || running.size() >= config.maxSequences()) {
            return null;
        }
        if (!sample.ticket.wantsPrompt()) {
            sample.adopt(pool, config.blockSize());
        }
        int blocksWanted = (sample.length() + config.blockSize() - 1) / config.blockSize() - sample.blocks.size();
        if (blocksWanted > pool.available()) {
            sample.drop(pool);
            return null;
        }
        grow(sample, sample.length());
        waiting.removeFirst();
        running.add(sample);
        return sample;
    }

    private static List<Part> separate(List<Part> parts) {
        List<Part> numbered = new ArrayList<>();
        for (Part part : parts) {
            numbered.add(part.in(numbered.size(), 0));
        }
        return numbered;
    }

    /** Puts samples of one prompt, or whose first blocks are the same, side by side, and counts the blocks that all of them share. */
    private List<Part> group(List<Part> parts) {
        Map<Object, List<Part>> groups = new HashMap<>();
        List<Object> order = new ArrayList<>();
        for (Part part : parts) {
            Object key = key(part);
            groups.computeIfAbsent(key, k -> {
                order.add(k);
                return new ArrayList<>();
            }).add(part);
        }
        List<Part> grouped = new ArrayList<>();
        for (int g = 0; g < order.size(); g++) {
            List<Part> members = groups.get(order.get(g));
            int shared = members.size() == 1 ? 0 : sharedBlocks(members);
            for (Part part : members) {
                grouped.add(part.in(g, shared));
            }
        }
        return grouped;
    }

    private static Object key(Part part) {
        Sequence sample = part.sample;
        boolean several = sample.ticket.request.samples() > 1;
        return several ? List.of(sample.ticket, sample.blocks.getFirst()) : sample.blocks.getFirst();
    }

    /** Leading blocks that all members have in common and have computed before this step. */
    private int sharedBlocks(List<Part> members) {
        Sequence first = members.getFirst().sample;
        int shared = members.stream().map(Part::sample).min(Comparator.comparingInt(Sequence::computed)).orElseThrow().computed() / config.blockSize();
        for (Part part : members) {
            int same = 0;
            while (same < shared && part.sample.blocks.get(same).equals(first.blocks.get(same))) {
                same++;
            }
            shared = same;
        }
        return shared;
    }
}
