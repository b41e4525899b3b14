package org.ingrain.sample;

import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.ingrain.tokenizer.StreamingDecoder;

/**
 * A submitted request: lets its caller cancel what is still running. Replicas that share its samples have a part each.
 */
public final class Ticket {
    final Request request;
    final GenerationListener listener;
    final float[] promptLogProbabilities;
    private final Supplier<StreamingDecoder> decoders;
    /** Numbers of samples, of all parts; the caller adds to it, replicas look. */
    private final Set<Integer> cancelled;
    private boolean forked;

    /** decoders: makes a detokenizer for each sample. */
    Ticket(Request request, GenerationListener listener, Supplier<StreamingDecoder> decoders) {
        this(request, listener, decoders, ConcurrentHashMap.newKeySet());
    }

    private Ticket(Request request, GenerationListener listener, Supplier<StreamingDecoder> decoders,
                   Set<Integer> cancelled) {
        this.cancelled = cancelled;
        this.request = request;
        this.listener = listener;
        this.decoders = decoders;
        promptLogProbabilities = request.promptLogProbabilities() ? new float[request.prompt().length] : null;
        if (promptLogProbabilities != null) {
            Arrays.fill(promptLogProbabilities, Float.NaN);
        }
    }

    /** Ends a sample at the next step; it is finished as cancelled with what it has by then. */
    public void cancel(int sample) {
        cancelled.add(sample);
    }

    boolean cancelled(int sample) {
        return cancelled.contains(sample);
    }

    boolean allCancelled() {
        return IntStream.range(0, request.samples()).allMatch(i -> cancelled.contains(request.firstSample() + i));
    }

    /** The samples [first, first + count) of this request, of which none is computed yet. */
    Ticket part(int first, int count) {
        Request part = new Request(request.prompt(), count, request.firstSample() + first, request.params(),
                request.adapterSlot(), request.promptLogProbabilities());
        return new Ticket(part, listener, decoders, cancelled);
    }

    StreamingDecoder decoder() {
        return decoders.get();
    }

    /** True until the first tokens of all samples have been drawn. */
    boolean forking() {
        return !forked;
    }

    void forked() {
        forked = true;
    }

    /** True while the prompt's own log-probabilities are being gathered. */
    boolean wantsPrompt() {
        return promptLogProbabilities != null && !forked;
    }
}
