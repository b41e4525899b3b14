package org.ingrain.distill.model;

/**
 * One text that was generated.
 *
 * @param text   what the model said, without stop text and end token
 * @param tokens generated tokens, the end token included
 */
public record TextCompletion(SampleKey key, String text, int tokens, Finish finish) {
}
