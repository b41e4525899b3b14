package org.ingrain.sample;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Supplier;
import org.ingrain.tokenizer.StreamingDecoder;

/** A submitted request: lets its caller cancel what is still running. Used on the generator's thread alone. */
public final class Ticket {
    final Request request;
    final GenerationListener listener;
    final float[] promptLogProbabilities;
    private final Supplier<StreamingDecoder> decoders;
    private final BitSet cancelled = new BitSet();
    private boolean forked;

    /** decoders: makes a detokenizer for each sample. */
    Ticket(Request request, GenerationListener listener, Supplier<StreamingDecoder> decoders) {
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
        cancelled.set(sample - request.firstSample());
    }

    boolean cancelled(int sample) {
        return cancelled.get(sample - request.firstSample());
    }

    boolean allCancelled() {
        return cancelled.cardinality() == request.samples();
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
