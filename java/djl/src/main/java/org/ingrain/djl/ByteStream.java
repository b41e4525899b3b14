package org.ingrain.djl;

import ai.djl.inference.streaming.IteratorBytesSupplier;
import ai.djl.inference.streaming.PublisherBytesSupplier;
import ai.djl.inference.streaming.StreamingTranslator.StreamOutput;
import ai.djl.ndarray.BytesSupplier;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;

/** Streams a text in DJL's types. Each chunk consists of one or more whole characters in UTF-8. */
final class ByteStream extends StreamOutput<BytesSupplier> {
    private final Stream<byte[]> chunks;

    ByteStream(Stream<Piece> pieces) {
        chunks = pieces.filter(piece -> !piece.text().isEmpty())
                .map(piece -> piece.text().getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public BytesSupplier getIterativeOutputInternal() {
        return new IteratorBytesSupplier(chunks.map(BytesSupplier::wrap).iterator());
    }

    @Override
    protected BytesSupplier buildAsyncOutput() {
        return new PublisherBytesSupplier();
    }

    @Override
    protected void computeAsyncOutputInternal(BytesSupplier output) {
        PublisherBytesSupplier publisher = (PublisherBytesSupplier) output;
        chunks.forEach(chunk -> publisher.appendContent(chunk, false));
        publisher.appendContent(new byte[0], true);
    }
}
