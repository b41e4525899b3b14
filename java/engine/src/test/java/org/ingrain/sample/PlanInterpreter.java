package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ingrain.sample.step.StepPlan;

/**
 * Runs plans without a model. A cache block contains token ids instead of keys and values. The "logits" of a row are a
 * hash of all tokens of its sequence up to this row, which are read from the blocks in the plan. A drawn token is a
 * hash of logits, seed, sequence and position. So a wrong block, position or row leads to another token, as on a
 * device.
 */
final class PlanInterpreter {
    static final int VOCABULARY = 1000;
    private static final int UNWRITTEN = -1;

    private final int blockSize;
    private final int[][] cache;
    private int[] drawn = {};
    private long[] logits = {};

    PlanInterpreter(GeneratorConfig config) {
        blockSize = config.blockSize();
        cache = new int[config.blocks()][blockSize];
        for (int[] block : cache) {
            Arrays.fill(block, UNWRITTEN);
        }
    }

    /** Runs a plan and returns the drawn ids. */
    int[] run(StepPlan plan) {
        int[] ids = plan.draws().stream().mapToInt(draw -> 0).toArray();
        if (!plan.parts().isEmpty()) {
            compute(plan);
        }
        for (int i = 0; i < ids.length; i++) {
            StepPlan.Draw draw = plan.draws().get(i);
            ids[i] = draw(logits[draw.logitRow()], draw.seed(), draw.sequence(), draw.position());
        }
        if (!plan.parts().isEmpty()) {
            drawn = ids;
        }
        return ids;
    }

    private void compute(StepPlan plan) {
        checkGroups(plan.parts());
        checkWrites(plan.parts());
        plan.parts().forEach(this::write);
        long[] rows = plan.parts().stream().flatMapToLong(part -> Arrays.stream(hashes(part))).toArray();
        logits = Arrays.stream(plan.logitRows()).mapToLong(row -> rows[row]).toArray();
        for (int i = 0; i < plan.copies().length; i += 2) {
            cache[plan.copies()[i + 1]] = cache[plan.copies()[i]].clone();
        }
    }

    private void write(StepPlan.Part part) {
        for (int position = 0; position < part.from(); position++) {
            assertTrue(at(part, position) != UNWRITTEN, "position " + position + " is read before it is written");
        }
        for (int i = 0; i < part.ids().length; i++) {
            int position = part.from() + i;
            int id = part.drawnRow() < 0 ? part.ids()[i] : drawn[part.drawnRow()];
            cache[part.place().blocks()[position / blockSize]][position % blockSize] = id;
        }
    }

    private int at(StepPlan.Part part, int position) {
        return cache[part.place().blocks()[position / blockSize]][position % blockSize];
    }

    /** Returns one hash for each row of a part. The hash covers all tokens of the sequence up to that row. */
    private long[] hashes(StepPlan.Part part) {
        long[] hashes = new long[part.ids().length];
        long hash = 0;
        for (int position = 0; position < part.from() + hashes.length; position++) {
            hash = next(hash, at(part, position));
            if (position >= part.from()) {
                hashes[position - part.from()] = hash;
            }
        }
        return hashes;
    }

    /** Checks that parts of a group are consecutive, have the same prefix blocks, and do not write these blocks. */
    private void checkGroups(List<StepPlan.Part> parts) {
        Map<Integer, Integer> lastOfGroup = new HashMap<>();
        for (int i = 0; i < parts.size(); i++) {
            var place = parts.get(i).place();
            Integer before = lastOfGroup.put(place.group(), i);
            assertTrue(place.prefixBlocks() * blockSize <= parts.get(i).from());
            if (before != null) {
                assertEquals(i - 1, before);
                var neighbour = parts.get(before).place();
                assertEquals(neighbour.prefixBlocks(), place.prefixBlocks());
                assertEquals(0, Arrays.mismatch(neighbour.blocks(), 0, place.prefixBlocks(), place.blocks(), 0,
                        place.prefixBlocks()) + 1);
            }
        }
    }

    /** Checks that no part writes a block that is in the block table of another part. */
    private void checkWrites(List<StepPlan.Part> parts) {
        for (StepPlan.Part writer : parts) {
            Set<Integer> written = new HashSet<>();
            for (int i = 0; i < writer.ids().length; i++) {
                written.add(writer.place().blocks()[(writer.from() + i) / blockSize]);
            }
            for (StepPlan.Part other : parts) {
                assertTrue(other == writer || Arrays.stream(other.place().blocks()).noneMatch(written::contains));
            }
        }
    }

    private static long next(long hash, int id) {
        return (hash ^ id + 0x9E3779B97F4A7C15L) * 0xBF58476D1CE4E5B9L;
    }

    private static int draw(long logits, long seed, int sequence, int position) {
        long mixed = next(next(next(logits, (int) seed), sequence), position);
        return (int) Math.floorMod(mixed ^ mixed >>> 31, VOCABULARY);
    }

    /** The expected ids of a sample, computed without a plan. */
    static int[] expected(Request request, int sample, int contextLength) {
        int[] prompt = request.prompt();
        int[] ids = Arrays.copyOf(prompt, Math.min(contextLength, prompt.length + request.params().maxTokens()));
        long hash = 0;
        for (int position = 0; position < ids.length; position++) {
            if (position >= prompt.length) {
                ids[position] = draw(hash, request.params().seed(), sample, position);
            }
            hash = next(hash, ids[position]);
        }
        return Arrays.copyOfRange(ids, prompt.length, ids.length);
    }
}
