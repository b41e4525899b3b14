package org.ingrain.distill.model;

/**
 * A generated text.
 *
 * @param text   the text without the stop string and without the end token
 * @param tokens number of generated tokens, including the end token
 */
public record TextCompletion(SampleKey key, String text, int tokens, Finish finish) {
}
