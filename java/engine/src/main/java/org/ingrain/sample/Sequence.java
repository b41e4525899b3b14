package org.ingrain.sample;

import java.util.Arrays;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * One sample in flight, with its tokens and its cache blocks. The last tokens of a sample may be unread: the step that
 * draws such a token has been planned, but the host has not read the token's id yet. The position of the token is
 * known. Until the prompt is computed, the first sample of a request represents all samples of the request.
 */
final class Sequence {
    final Ticket ticket;
    final int number;
    final BlockTable table;
    final StreamingDecoder decoder;
    final TextStream text;
    /** Null if the most probable tokens are not requested. */
    final TopTokens topTokens;
    private final int promptLength;
    private int[] ids;
    private float[] logProbabilities = new float[16];
    private int known;
    private int unread;
    private int drawnRow;
    private boolean finished;

    /** @param table cache blocks of the computed part of the prompt */
    Sequence(Ticket ticket, int number, BlockTable table) {
        this.ticket = ticket;
        this.number = number;
        this.table = table;
        decoder = ticket.decoder();
        topTokens = ticket.topTokens();
        text = new TextStream(ticket.request.params().stop());
        ids = ticket.request.prompt().clone();
        known = ids.length;
        promptLength = known;
    }

    /** Number of tokens of prompt and completion, including unread tokens. */
    int length() {
        return known + unread;
    }

    /** Number of drawn tokens whose ids the host has not read. */
    int unread() {
        return unread;
    }

    /** Index of the last unread token among the draws of the plan that draws it; -1 if no token is unread. */
    int drawnRow() {
        return unread > 0 ? drawnRow : -1;
    }

    /**
     * Records that a planned step draws the next token. {@code row} is the index of this draw in the plan.
     */
    void draw(int row) {
        unread++;
        drawnRow = row;
    }

    /** Returns the ids at positions [from, from + count), which must be known. */
    int[] ids(int from, int count) {
        return Arrays.copyOfRange(ids, from, from + count);
    }

    /** Number of completion tokens whose ids have been read. */
    int generated() {
        return known - promptLength;
    }

    /** Whether the sample has reached its maximum length. Unread tokens are counted. */
    boolean full(int contextLength) {
        return length() - promptLength >= ticket.request.params().maxTokens() || length() >= contextLength;
    }

    boolean finished() {
        return finished;
    }

    void finish() {
        finished = true;
    }

    /** Number of tokens that must be computed before the next token can be drawn. */
    int pending() {
        return length() - table.computed();
    }

    /** Records that a planned step computes {@code tokens} tokens. */
    void advance(int tokens) {
        table.advance(tokens);
        table.publish(ids, known);
    }

    /** Reuses the cached blocks that match a prefix of the known tokens. */
    void adopt() {
        table.adopt(ids, known);
    }

    /** Records the id and the log-probability of the next token, which the host has just read from the device. */
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
