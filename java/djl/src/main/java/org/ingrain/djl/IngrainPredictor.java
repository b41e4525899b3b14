package org.ingrain.djl;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.inference.streaming.StreamingTranslator.StreamOutput;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import java.util.List;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/** A predictor whose exceptions have the message of their cause, without the name of the cause's class. */
final class IngrainPredictor<I, O> extends Predictor<I, O> {
    IngrainPredictor(Model model, Translator<I, O> translator, Device device) {
        super(model, translator, device, false);
    }

    @Override
    public List<O> batchPredict(List<I> inputs) throws TranslateException {
        try {
            return super.batchPredict(inputs);
        } catch (TranslateException e) {
            throw plain(e);
        }
    }

    @Override
    public StreamOutput<O> streamingPredict(I input) throws TranslateException {
        try {
            return super.streamingPredict(input);
        } catch (TranslateException e) {
            throw plain(e);
        }
    }

    private static TranslateException plain(TranslateException e) {
        return switch (e.getCause()) {
            case InputException cause -> new TranslateException(cause.getMessage(), cause);
            case BackendException cause -> new TranslateException(cause.getMessage(), cause);
            case IllegalStateException cause -> new TranslateException(cause.getMessage(), cause);
            case null, default -> e;
        };
    }
}
