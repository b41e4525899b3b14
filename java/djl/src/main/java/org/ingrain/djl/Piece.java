package org.ingrain.djl;

import org.ingrain.sample.Completion;

/**
 * A part of a streamed sample.
 *
 * @param sample     number of the sample
 * @param text       new text; empty in the last piece of a sample
 * @param completion the whole sample, with ids, log-probabilities and finish reason, in the last piece of the sample;
 *                   null in all other pieces
 */
public record Piece(int sample, String text, Completion completion) {
}
