package org.ingrain.distill.model;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;

/**
 * A request for one text. Requests that differ only in {@code key} and {@code sample} have the same prompt. They are
 * adjacent in a list of requests, so that the prompt is computed only once.
 *
 * @param key      identifies the completion; the text does not depend on the key
 * @param messages the conversation before the chat template is applied
 * @param params   sampling parameters; the random numbers depend only on the seed in {@code params} and on
 *                 {@code sample}
 * @param sample   index of this sample among the samples of the prompt
 * @param weights  the weights that generate the text
 */
public record TextRequest(SampleKey key, List<Message> messages, SamplingParams params, int sample,
        ModelState weights) {
    /** Groups adjacent requests for samples of the same prompt whose indices {@code sample} are consecutive. */
    public static List<List<TextRequest>> groups(List<TextRequest> requests) {
        List<List<TextRequest>> groups = new ArrayList<>();
        TextRequest before = null;
        for (TextRequest request : requests) {
            if (before == null || !request.continues(before)) {
                groups.add(new ArrayList<>());
            }
            groups.getLast().add(request);
            before = request;
        }
        return groups;
    }

    /** Answers requests with {@code weights} in place of the weights in the requests. */
    public static void answer(Answerer answerer, ModelState weights, List<TextRequest> first,
            Function<TextCompletion, Answerer.Next> done) {
        answerer.answer(with(first, weights), completion -> {
            Answerer.Next next = done.apply(completion);
            return new Answerer.Next(with(next.requests(), weights), next.cancelled());
        });
    }

    private static List<TextRequest> with(List<TextRequest> requests, ModelState weights) {
        return requests.stream().map(request -> new TextRequest(request.key, request.messages, request.params,
                request.sample, weights)).toList();
    }

    private boolean continues(TextRequest before) {
        return sample == before.sample + 1 && params.equals(before.params) && weights.equals(before.weights)
                && messages.equals(before.messages);
    }
}
