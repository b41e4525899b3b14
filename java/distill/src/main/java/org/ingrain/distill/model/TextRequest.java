package org.ingrain.distill.model;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;

/**
 * One text that is wanted. Requests that differ in {@code key} and {@code sample} only share a prompt; they come one
 * after another.
 *
 * @param key      comes back with the completion; the text does not depend on it
 * @param messages the conversation, not rendered yet
 * @param params   how to draw; random numbers are a function of its seed and {@code sample}
 * @param sample   index among the samples of this prompt
 * @param weights  whose answer
 */
public record TextRequest(SampleKey key, List<Message> messages, SamplingParams params, int sample,
        ModelState weights) {
}
