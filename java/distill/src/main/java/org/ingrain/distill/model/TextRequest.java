package org.ingrain.distill.model;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;

/**
 * A request for one text. Requests that differ only in {@code key} and {@code sample} share a prompt; they are
 * consecutive.
 *
 * @param key      identifies the completion; the text does not depend on it
 * @param messages the conversation, before the chat template
 * @param params   sampling parameters; the random numbers depend only on their seed and on {@code sample}
 * @param sample   index among the samples of this prompt
 * @param weights  the weights that answer
 */
public record TextRequest(SampleKey key, List<Message> messages, SamplingParams params, int sample,
        ModelState weights) {
}
