package org.ingrain.djl;

import ai.djl.inference.streaming.StreamingTranslator;
import ai.djl.ndarray.NDList;
import ai.djl.translate.TranslatorContext;
import ai.djl.util.passthrough.PassthroughNDArray;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.ingrain.sample.Completion;

/** A translator that also supports streaming: it converts a stream of pieces to the output type. */
final class StreamingGenerationTranslator<I, O> extends GenerationTranslator<I, O>
        implements StreamingTranslator<I, O> {
    private final Support support;
    private final Function<Stream<Piece>, StreamOutput<O>> stream;

    StreamingGenerationTranslator(Function<I, GenerationInput> input, Function<List<Completion>, O> output,
                                  Support support, Function<Stream<Piece>, StreamOutput<O>> stream) {
        super(input, output);
        this.support = support;
        this.stream = stream;
    }

    @Override
    public StreamOutput<O> processStreamOutput(TranslatorContext context, Stream<NDList> list) {
        return stream.apply(list.map(piece -> (Piece) ((PassthroughNDArray) piece.singletonOrThrow()).getObject()));
    }

    @Override
    public Support getSupport() {
        return support;
    }
}
