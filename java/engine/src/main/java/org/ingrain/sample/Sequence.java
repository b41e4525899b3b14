package org.ingrain.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * One sample in flight: its tokens, how many of them are in the cache and in which blocks. Its last tokens may be unread: drawn by a
 * step that has been enqueued, so that their positions are known but not yet their ids. Until its prompt is computed, the first sample
 * of a request stands for all of them.
 */
final class Sequence {
    final Ticket ticket;
    final int number;
    final StreamingDecoder decoder;
    final TextStream text;
    final List<Integer> blocks = new ArrayList<>();
    private final int promptLength;
    private int[] ids;
    private float[] logProbabilities = new float[16];
    private int known;
    private int unread;
    private int drawnRow;
    private boolean finished;
    private int computed;
    private int published;
    private long serial = BlockPool.ROOT;

    Sequence(Ticket ticket, int number, StreamingDecoder decoder) {
        this.ticket = ticket;
        this.number = number;
        this.decoder = decoder;
        text = new TextStream(ticket.request.params().stop());
        ids = ticket.request.prompt().clone();
        known = ids.length;
        promptLength = known;
    }

    /** Tokens of prompt and completion, those unread included. */
    int length() {
        return known + unread;
    }

    /** Tokens drawn whose ids the host has not read. */
    int unread() {
        return unread;
    }

    /** Where the last unread token is among those that its step draws. */
    int drawnRow() {
        return drawnRow;
    }

    /** A step has been enqueued that draws the next token, in this row of what it draws. */
    void draw(int row) {
        unread++;
        drawnRow = row;
    }

    int[] ids() {
        return ids;
    }

    /** Ids read of the completion. */
    int generated() {
        return known - promptLength;
    }

    /** True where no further token is wanted, whatever the unread ones turn out to be. */
    boolean full(int contextLength) {
        return length() - promptLength >= ticket.request.params().maxTokens() || length() >= contextLength;
    }

    boolean finished() {
        return finished;
    }

    void finish() {
        finished = true;
    }

    /** Tokens in the cache. */
    int computed() {
        return computed;
    }

    /** Tokens yet to be computed before the next one can be drawn. */
    int pending() {
        return length() - computed;
    }

    void advance(int tokens) {
        computed += tokens;
    }

    /** The first unread token has been read. */
    void append(int id, float logProbability) {
        if (known == ids.length) {
            ids = Arrays.copyOf(ids, known + Math.max(16, known / 2));
        }
        if (generated() == logProbabilities.length) {
            logProbabilities = Arrays.copyOf(logProbabilities, 2 * logProbabilities.length);
        }
        logProbabilities[generated()] = logProbability;
        ids[known++] = id;
        unread--;
    }

    int[] generatedIds() {
        return Arrays.copyOfRange(ids, promptLength, known);
    }

    float[] generatedLogProbabilities() {
        return Arrays.copyOf(logProbabilities, generated());
    }

    /** Takes the blocks that hold the beginning of this sample already, but leaves at least one token to compute. */
    void adopt(BlockPool pool, int blockSize) {
        for (int end = blockSize; end < known; end += blockSize) {
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

    /** Makes the content of every block that is full of tokens read known to others. */
    void publish(BlockPool pool, int blockSize) {
        while ((published + 1) * blockSize <= Math.min(computed, known)) {
            int[] tokens = Arrays.copyOfRange(ids, published * blockSize, (published + 1) * blockSize);
            serial = pool.publish(blocks.get(published), serial, ticket.request.adapterSlot(), tokens);
            published++;
        }
    }

    /** Continues from another sample of the same prompt, holding its full blocks; a partly filled last block is for the caller to copy. */
    void fork(Sequence trunk, BlockPool pool, int blockSize) {
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
