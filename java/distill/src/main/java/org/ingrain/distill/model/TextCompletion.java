package org.ingrain.distill.model;

/**
 * A generated text.
 *
 * @param text   the text without stop string and end token
 * @param tokens number of generated tokens, including the end token
 */
public record TextCompletion(SampleKey key, String text, int tokens, Finish finish) {
}
