package org.ingrain.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * One sample in flight: its tokens, how many of them are in the cache and in which blocks. Until its prompt is computed, the first
 * sample of a request stands for all of them.
 */
final class Sample {
    final Ticket ticket;
    final int number;
    final StreamingDecoder decoder;
    final TextStream text;
    final List<Integer> blocks = new ArrayList<>();
    private final int promptLength;
    private int[] ids;
    private float[] logProbabilities = new float[16];
    private int length;
    private int computed;
    private int published;
    private long serial = BlockPool.ROOT;

    Sample(Ticket ticket, int number, StreamingDecoder decoder) {
        this.ticket = ticket;
        this.number = number;
        this.decoder = decoder;
        text = new TextStream(ticket.request.params().stop());
        ids = ticket.request.prompt().clone();
        length = ids.length;
        promptLength = length;
    }

    /** Tokens known: prompt and generated. */
    int length() {
        return length;
    }

    int[] ids() {
        return ids;
    }

    int generated() {
        return length - promptLength;
    }

    /** Tokens in the cache. */
    int computed() {
        return computed;
    }

    /** Tokens yet to be computed before the next one can be drawn. */
    int pending() {
        return length - computed;
    }

    void advance(int tokens) {
        computed += tokens;
    }

    void append(int id, float logProbability) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, length + Math.max(16, length / 2));
        }
        if (generated() == logProbabilities.length) {
            logProbabilities = Arrays.copyOf(logProbabilities, 2 * logProbabilities.length);
        }
        logProbabilities[generated()] = logProbability;
        ids[length++] = id;
    }

    int[] generatedIds() {
        return Arrays.copyOfRange(ids, promptLength, length);
    }

    float[] generatedLogProbabilities() {
        return Arrays.copyOf(logProbabilities, generated());
    }

    /** Takes the blocks that hold the beginning of this sample already, but leaves at least one token to compute. */
    void adopt(BlockPool pool, int blockSize) {
        for (int end = blockSize; end < length; end += blockSize) {
            BlockPool.Known found = pool.find(serial, ticket.request.adapterSlot(), Arrays.copyOfRange(ids, end - blockSize, end));
            if (found == null) {
                return;
            }
            pool.hold(found.block());
            blocks.add(found.block());
            serial = found.serial();
            published++;
            computed = end;
        }
    }

    /** Makes the content of every block that is full now known to others. */
    void publish(BlockPool pool, int blockSize) {
        while ((published + 1) * blockSize <= computed) {
            int[] tokens = Arrays.copyOfRange(ids, published * blockSize, (published + 1) * blockSize);
            serial = pool.publish(blocks.get(published), serial, ticket.request.adapterSlot(), tokens);
            published++;
        }
    }

    /** Continues from another sample of the same prompt, holding its full blocks; a partly filled last block is for the caller to copy. */
    void fork(Sample trunk, BlockPool pool, int blockSize) {
        int full = trunk.computed / blockSize;
        for (int i = 0; i < full; i++) {
            pool.hold(trunk.blocks.get(i));
            blocks.add(trunk.blocks.get(i));
        }
        computed = trunk.computed;
        published = trunk.published;
        serial = trunk.serial;
    }

    /** Gives all blocks back; everything must be computed again. */
    void drop(BlockPool pool) {
        blocks.forEach(pool::release);
        blocks.clear();
        computed = 0;
        published = 0;
        serial = BlockPool.ROOT;
    }
}
