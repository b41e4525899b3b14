package org.ingrain.djl;

import ai.djl.Model;
import ai.djl.inference.streaming.StreamingTranslator.Support;
import ai.djl.ndarray.BytesSupplier;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorFactory;
import ai.djl.util.Pair;
import java.lang.reflect.Type;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Creates the translators of the engine "Ingrain". A String is a text that the model continues; it is encoded without a
 * chat template.
 *
 * <table>
 * <caption>Types</caption>
 * <tr><th>input</th><th>output</th><th>streaming</th></tr>
 * <tr><td>String</td><td>String: the text after the prompt</td><td>no</td></tr>
 * <tr><td>String</td><td>{@link BytesSupplier}: the same text in UTF-8</td><td>IteratorBytesSupplier, or
 * PublisherBytesSupplier if asynchronous; neither of them can cancel the sample</td></tr>
 * <tr><td>{@link GenerationInput}: text or chat, with samples and adapter</td><td>{@link GenerationOutput}</td>
 * <td>iterative; closing the output cancels its samples</td></tr>
 * </table>
 */
public final class GenerationTranslatorFactory implements TranslatorFactory {
    @Override
    public Set<Pair<Type, Type>> getSupportedTypes() {
        return Set.of(new Pair<>(String.class, String.class), new Pair<>(String.class, BytesSupplier.class),
                new Pair<>(GenerationInput.class, GenerationOutput.class));
    }

    /**
     * {@inheritDoc}
     *
     * @throws TranslateException if the model belongs to another engine, or if the types are not supported
     */
    @Override
    @SuppressWarnings("unchecked")
    public <I, O> Translator<I, O> newInstance(Class<I> input, Class<O> output, Model model, Map<String, ?> arguments)
            throws TranslateException {
        if (!(model instanceof IngrainModel)) {
            throw new TranslateException("engine: the model belongs to another engine, expected "
                    + "optEngine(\"" + IngrainEngine.NAME + "\")");
        }
        if (input == GenerationInput.class && output == GenerationOutput.class) {
            return (Translator<I, O>) new StreamingGenerationTranslator<>(Function.<GenerationInput>identity(),
                    GenerationOutput::of, Support.ITERATIVE, PieceStream::new);
        }
        if (input == String.class && output == BytesSupplier.class) {
            return (Translator<I, O>) new StreamingGenerationTranslator<String, BytesSupplier>(GenerationInput::text,
                    samples -> BytesSupplier.wrap(samples.getFirst().text()), Support.BOTH, ByteStream::new);
        }
        if (input == String.class && output == String.class) {
            return (Translator<I, O>) new GenerationTranslator<String, String>(GenerationInput::text,
                    samples -> samples.getFirst().text());
        }
        throw new TranslateException("types: " + input.getName() + " and " + output.getName()
                + ", expected a pair of getSupportedTypes()");
    }
}
