package org.ingrain.djl;

import ai.djl.inference.streaming.StreamingBlock;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractSymbolBlock;
import ai.djl.nn.ParameterList;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import ai.djl.util.passthrough.PassthroughNDArray;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.ingrain.engine.Engine;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.model.Adapter;
import org.ingrain.model.AdapterBank;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.ChatTemplate;
import org.ingrain.tensor.InputException;

/**
 * The block of a loaded model. The inputs are {@link GenerationInput}s in PassthroughNDArrays. The block submits all
 * inputs of a call to the model's generator at once. The generator batches the requests of all predictors of the model.
 * The outputs of {@link #forward} are lists of {@link Completion}s; the outputs of {@link #forwardStream} are
 * {@link Piece}s. Thread-safe.
 */
final class GenerationBlock extends AbstractSymbolBlock implements StreamingBlock, AutoCloseable {
    private final Engine engine;
    private final SamplingParams params;
    private final SharedGenerator generator;
    private final Map<String, Integer> slots = new TreeMap<>();
    /** Ensures that the tokenizer is not closed while the tokenizer encodes a text. */
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private boolean closed;

    /** Loads the weights and the adapters. This block then owns the engine. */
    GenerationBlock(Engine engine, LoadOptions options) {
        this.engine = engine;
        params = options.params();
        List<Adapter> adapters = new ArrayList<>();
        options.adapters().forEach((name, folder) -> {
            Adapter adapter = engine.adapter(folder);
            if (!adapter.saved().isEmpty() && options.adapters().size() > 1) {
                throw InputException.field(LoadOptions.ADAPTER + name, folder + " has modules_to_save, which replace "
                        + "parameters of the model, expected it to be the only adapter");
            }
            adapters.add(adapter);
        });
        generator = new SharedGenerator(engine, options.config(engine), AdapterBank.Limits.of(adapters));
        try {
            options.adapters().forEach((name, folder) -> slots.put(name, generator.loadAdapter(folder)));
        } catch (RuntimeException e) {
            generator.close();
            throw e;
        }
    }

    @Override
    protected NDList forwardInternal(ParameterStore parameters, NDList inputs, boolean training,
                                     PairList<String, Object> options) {
        requireInference(training);
        List<Generation> started = new ArrayList<>();
        try {
            List<Request> requests = inputs.stream().map(this::request).toList();
            requests.forEach(request -> started.add(new Generation(generator, request)));
            NDList outputs = new NDList();
            started.forEach(generation -> outputs.add(new PassthroughNDArray(generation.completions())));
            return outputs;
        } catch (RuntimeException e) {
            started.forEach(Generation::cancel);
            throw e;
        }
    }

    @Override
    public Iterator<NDList> forwardStreamIter(ParameterStore parameters, NDList inputs, boolean training,
                                              PairList<String, Object> options) {
        return forwardStream(parameters, inputs, training, options).iterator();
    }

    /** Returns the pieces of one input. Closing the stream cancels the unfinished samples. */
    @Override
    public Stream<NDList> forwardStream(ParameterStore parameters, NDList inputs, boolean training,
                                        PairList<String, Object> options) {
        requireInference(training);
        Generation generation = new Generation(generator, request(inputs.singletonOrThrow()));
        Iterable<Piece> pieces = () -> generation;
        return StreamSupport.stream(pieces.spliterator(), false).map(piece -> new NDList(new PassthroughNDArray(piece)))
                .onClose(generation::cancel);
    }

    private static void requireInference(boolean training) {
        if (training) {
            throw new UnsupportedOperationException("the engine " + IngrainEngine.NAME + " does not train through DJL, "
                    + "expected a Trainer of org.ingrain.engine.Engine");
        }
    }

    /** Encodes an input. */
    private Request request(NDArray array) {
        GenerationInput input = (GenerationInput) ((PassthroughNDArray) array).getObject();
        Integer slot = input.adapter() == null ? Integer.valueOf(-1) : slots.get(input.adapter());
        if (slot == null) {
            throw InputException.field("adapter", "'" + input.adapter() + "', expected one of " + slots.keySet());
        }
        lock.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("the model is closed");
            }
            boolean text = input.text() != null;
            int[] prompt = text ? engine.tokenizer().encodeBegin(input.text())
                    : template().encode(engine.tokenizer(), input.messages(), true);
            return new Request(prompt, input.n(), 0, input.params() == null ? params : input.params(), slot, false)
                    .withContinuesText(text);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Returns the chat template. The first call reads the template from the model folder. */
    private synchronized ChatTemplate template() {
        return engine.template();
    }

    SharedGenerator generator() {
        return generator;
    }

    /** Cancels all requests, then closes the generator and the engine. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                generator.close();
                engine.close();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Returns an empty list, because DJL neither reads nor writes the weights. */
    @Override
    public ParameterList getDirectParameters() {
        return new ParameterList();
    }

    @Override
    public boolean isInitialized() {
        return true;
    }

    /** Returns an empty list, because the inputs are texts, which have no shape. */
    @Override
    public PairList<String, Shape> describeInput() {
        return new PairList<>();
    }

    @Override
    public PairList<String, Shape> describeOutput() {
        return new PairList<>();
    }
}
