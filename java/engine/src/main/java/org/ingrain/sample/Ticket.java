package org.ingrain.sample;

import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * A submitted request. Its unfinished samples can be cancelled. If the samples are divided among replicas, each of
 * these replicas has a separate ticket for its part of the samples.
 */
public final class Ticket {
    final Request request;
    final GenerationListener listener;
    final float[] promptLogProbabilities;
    /** Null if the most probable tokens of the prompt are not requested. */
    final TopTokens promptTopTokens;
    final TokenBias bias;
    private final Supplier<StreamingDecoder> decoders;
    /**
     * The sample numbers of the cancelled samples. All tickets of the request share this set. {@link #cancel} adds
     * numbers to the set, and the replicas read the set.
     */
    private final Set<Integer> cancelled;
    private boolean forked;

    /** @param decoders creates a detokenizer for each sample */
    Ticket(Request request, GenerationListener listener, TokenBias bias, Supplier<StreamingDecoder> decoders) {
        this(request, listener, bias, decoders, ConcurrentHashMap.newKeySet());
    }

    private Ticket(Request request, GenerationListener listener, TokenBias bias, Supplier<StreamingDecoder> decoders,
                   Set<Integer> cancelled) {
        this.cancelled = cancelled;
        this.request = request;
        this.listener = listener;
        this.bias = bias;
        this.decoders = decoders;
        promptLogProbabilities = request.promptLogProbabilities() ? new float[request.prompt().length] : null;
        if (promptLogProbabilities != null) {
            Arrays.fill(promptLogProbabilities, Float.NaN);
        }
        promptTopTokens = promptLogProbabilities != null ? topTokens() : null;
    }

    /**
     * Cancels a sample. The sample ends at the next step. Its completion contains the tokens that were generated until
     * then.
     */
    public void cancel(int sample) {
        cancelled.add(sample);
    }

    /** Cancels all samples. */
    public void cancelAll() {
        for (int i = 0; i < request.samples(); i++) {
            cancel(request.firstSample() + i);
        }
    }

    boolean cancelled(int sample) {
        return cancelled.contains(sample);
    }

    boolean allCancelled() {
        return IntStream.range(0, request.samples()).allMatch(i -> cancelled.contains(request.firstSample() + i));
    }

    /**
     * Returns a ticket for samples [first, first + count) of this request. None of these samples may have been started.
     */
    Ticket part(int first, int count) {
        Request part = new Request(request.prompt(), count, request.firstSample() + first, request.params(),
                request.adapterSlot(), request.promptLogProbabilities(), request.continuesText(),
                request.topTokens());
        return new Ticket(part, listener, bias, decoders, cancelled);
    }

    /** Creates an empty {@link TopTokens}. Returns null if the most probable tokens are not requested. */
    TopTokens topTokens() {
        return request.topTokens() > 0 ? new TopTokens(request.topTokens()) : null;
    }

    StreamingDecoder decoder() {
        StreamingDecoder decoder = decoders.get();
        if (request.continuesText()) {
            for (int id : request.prompt()) {
                decoder.append(id);
            }
        }
        return decoder;
    }

    /** Whether the step that completes the prompt has not been planned yet. This step forks the samples. */
    boolean forking() {
        return !forked;
    }

    void forked() {
        forked = true;
    }

    /** Whether log-probabilities of prompt tokens are requested and have not been computed yet. */
    boolean wantsPrompt() {
        return promptLogProbabilities != null && !forked;
    }
}
