package org.ingrain.djl;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Request;

/**
 * A submitted request. The generator's thread adds the pieces of the request's samples to a queue, and the thread that
 * called DJL takes the pieces from the queue. The iteration ends with the last piece of the last unfinished sample.
 */
final class Generation implements GenerationListener, Iterator<Piece> {
    private final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();   // a Piece, or a RuntimeException
    private final SharedGenerator.Job job;
    /** Number of samples whose last piece has not been taken. */
    private int left;

    /** Submits a request. Throws what {@link SharedGenerator#submit} throws. */
    Generation(SharedGenerator generator, Request request) {
        left = request.samples();
        job = generator.submit(request, this);
    }

    @Override
    public void text(int sample, String piece) {
        arrived.add(new Piece(sample, piece, null));
    }

    @Override
    public void finished(Completion completion) {
        arrived.add(new Piece(completion.sample(), "", completion));
    }

    @Override
    public void failed(int sample, RuntimeException cause) {
        arrived.add(cause);
    }

    @Override
    public boolean hasNext() {
        return left > 0;
    }

    @Override
    public Piece next() {
        if (left == 0) {
            throw new NoSuchElementException();
        }
        Object next;
        try {
            next = arrived.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            cancel();
            throw new IllegalStateException("the thread was interrupted while it waited for the model", e);
        }
        if (next instanceof RuntimeException cause) {
            cancel();
            throw cause;
        }
        Piece piece = (Piece) next;
        if (piece.completion() != null) {
            if (piece.completion().reason() == FinishReason.CANCELLED) {
                cancel();
                throw new IllegalStateException("the model was closed before the answer was complete");
            }
            left--;
        }
        return piece;
    }

    /** Waits for the remaining pieces. Returns the samples in ascending order of their numbers. */
    List<Completion> completions() {
        List<Completion> completions = new ArrayList<>();
        forEachRemaining(piece -> {
            if (piece.completion() != null) {
                completions.add(piece.completion());
            }
        });
        completions.sort(Comparator.comparingInt(Completion::sample));
        return completions;
    }

    /** Cancels all samples and ends the iteration. */
    void cancel() {
        left = 0;
        job.cancel();
    }
}
