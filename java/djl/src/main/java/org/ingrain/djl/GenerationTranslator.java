package org.ingrain.djl;

import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import ai.djl.util.passthrough.PassthroughNDArray;
import java.util.List;
import java.util.function.Function;
import org.ingrain.sample.Completion;
import org.ingrain.tensor.InputException;

/** Wraps inputs for {@link GenerationBlock} and converts its outputs. */
class GenerationTranslator<I, O> implements Translator<I, O> {
    private final Function<I, GenerationInput> input;
    private final Function<List<Completion>, O> output;

    GenerationTranslator(Function<I, GenerationInput> input, Function<List<Completion>, O> output) {
        this.input = input;
        this.output = output;
    }

    @Override
    public Batchifier getBatchifier() {
        return new ListBatchifier();
    }

    @Override
    public NDList processInput(TranslatorContext context, I value) {
        if (value == null) {
            throw InputException.field("input", "null, expected a prompt");
        }
        return new NDList(new PassthroughNDArray(input.apply(value)));
    }

    @Override
    @SuppressWarnings("unchecked")
    public O processOutput(TranslatorContext context, NDList list) {
        return output.apply((List<Completion>) ((PassthroughNDArray) list.singletonOrThrow()).getObject());
    }
}
