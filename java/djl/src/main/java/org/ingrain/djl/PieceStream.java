package org.ingrain.djl;

import ai.djl.inference.streaming.StreamingTranslator.StreamOutput;
import java.util.stream.Stream;

/**
 * Streams a {@link GenerationOutput}. Only the iterative output is supported; the asynchronous output is not needed,
 * because the generator has its own thread.
 */
final class PieceStream extends StreamOutput<GenerationOutput> {
    private final Stream<Piece> pieces;

    PieceStream(Stream<Piece> pieces) {
        this.pieces = pieces;
    }

    @Override
    public GenerationOutput getIterativeOutputInternal() {
        return new GenerationOutput(pieces);
    }

    @Override
    protected GenerationOutput buildAsyncOutput() {
        throw new UnsupportedOperationException("GenerationOutput has no asynchronous output, expected "
                + "getIterativeOutput");
    }

    @Override
    protected void computeAsyncOutputInternal(GenerationOutput output) {
        throw new UnsupportedOperationException("GenerationOutput has no asynchronous output, expected "
                + "getIterativeOutput");
    }
}
