package org.ingrain.sample;

import java.util.Arrays;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * One sample in flight: its tokens and its blocks of the cache. Its last tokens may be unread: drawn by a step that has
 * been enqueued, so that their positions are known but not yet their ids. Until its prompt is computed, the first
 * sample of a request stands for all.
 */
final class Sequence {
    final Ticket ticket;
    final int number;
    final BlockTable table;
    final StreamingDecoder decoder;
    final TextStream text;
    private final int promptLength;
    private int[] ids;
    private float[] logProbabilities = new float[16];
    private int known;
    private int unread;
    private int drawnRow;
    private boolean finished;

    /** table: of the prompt, as far as it is computed. */
    Sequence(Ticket ticket, int number, BlockTable table) {
        this.ticket = ticket;
        this.number = number;
        this.table = table;
        decoder = ticket.decoder();
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

    /** Where the last unread token is among those that its step draws; -1 if there is none. */
    int drawnRow() {
        return unread > 0 ? drawnRow : -1;
    }

    /** A step has been planned that draws the next token, in this row of what it draws. */
    void draw(int row) {
        unread++;
        drawnRow = row;
    }

    /** Known ids from position {@code from} on. */
    int[] ids(int from, int count) {
        return Arrays.copyOfRange(ids, from, from + count);
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

    /** Tokens yet to be computed before the next one can be drawn. */
    int pending() {
        return length() - table.computed();
    }

    /** Called when a step has been planned that computes {@code tokens} tokens. */
    void advance(int tokens) {
        table.advance(tokens);
        table.publish(ids, known);
    }

    /** Finds the beginning of the known tokens in the cache. */
    void adopt() {
        table.adopt(ids, known);
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
        table.publish(ids, known);
    }

    int[] generatedIds() {
        return Arrays.copyOfRange(ids, promptLength, known);
    }

    float[] generatedLogProbabilities() {
        return Arrays.copyOf(logProbabilities, generated());
    }
}
