package org.ingrain.djl;

import java.util.Iterator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.sample.Completion;

/**
 * The samples of one input. {@code predict} returns an output whose samples are finished. {@code streamingPredict}
 * returns an output that can be iterated piece by piece while the model generates. The pieces of several samples are
 * interleaved. An output can be iterated only once, and only one thread may use it at a time.
 */
public final class GenerationOutput implements Iterable<Piece>, AutoCloseable {
    private final Stream<Piece> stream;
    private final Iterator<Piece> pieces;
    private final SortedMap<Integer, Completion> finished = new TreeMap<>();

    GenerationOutput(Stream<Piece> stream) {
        this.stream = stream;
        pieces = stream.iterator();
    }

    /** The output of samples that are finished. */
    static GenerationOutput of(List<Completion> completions) {
        return new GenerationOutput(completions.stream().flatMap(completion -> Stream.of(
                new Piece(completion.sample(), completion.text(), null),
                new Piece(completion.sample(), "", completion))));
    }

    /**
     * The pieces that have not been read yet. {@code hasNext} waits for the next piece.
     *
     * @throws org.ingrain.tensor.InputException from {@code hasNext} or {@code next}, if a sample fails
     * @throws IllegalStateException             from {@code hasNext} or {@code next}, if the model is closed before the
     *                                           samples are complete, or if the thread is interrupted
     */
    @Override
    public Iterator<Piece> iterator() {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return pieces.hasNext();
            }

            @Override
            public Piece next() {
                Piece piece = pieces.next();
                if (piece.completion() != null) {
                    finished.put(piece.sample(), piece.completion());
                }
                return piece;
            }
        };
    }

    /**
     * Waits for all samples and returns them in ascending order of their numbers. This call reads all remaining pieces,
     * so the iterator does not return them. After {@link #close}, this call returns only the samples whose last piece
     * was read before the close.
     */
    public List<Completion> completions() {
        iterator().forEachRemaining(piece -> { });
        return List.copyOf(finished.values());
    }

    /**
     * The text of the first sample; see {@link #completions}.
     *
     * @throws java.util.NoSuchElementException if the output was closed before a sample was complete
     */
    public String text() {
        return completions().getFirst().text();
    }

    /** Cancels the unfinished samples and ends the output. */
    @Override
    public void close() {
        stream.close();
    }
}
