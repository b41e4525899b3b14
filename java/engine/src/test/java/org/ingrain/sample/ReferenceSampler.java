package org.ingrain.sample;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.ingrain.ffi.Context;
import org.ingrain.model.Decoder;
import org.ingrain.model.KvCache;
import org.ingrain.model.Step;
import org.ingrain.ops.Ops;
import org.ingrain.ops.SampleRows;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/**
 * Draws the tokens of a sample without a scheduler, plans or batches. For each token, the model computes the whole text
 * again. The logits are copied to the host, where biases and bans are applied.
 */
final class ReferenceSampler {
    private static final int BLOCK = 16;

    private final Context context;
    private final Set<Integer> eosIds;
    private final Ops ops;
    private final Decoder decoder;
    private final KvCache cache;
    private final Staging staging;
    private final Step step;
    private final int[] blocks;
    private final Tensor none;

    /** The ids of a sample, and the log-probabilities that they have without biases. */
    record Sample(int[] ids, float[] logProbabilities) {
    }

    ReferenceSampler(TinyModel model, Set<Integer> eosIds) {
        this.eosIds = eosIds;
        context = model.context;
        ops = new Ops(context);
        blocks = IntStream.range(0, TinyModel.CONTEXT / BLOCK).toArray();
        Step.Limits limits = new Step.Limits(TinyModel.CONTEXT, 1, 1, blocks.length, BLOCK, 1);
        decoder = new Decoder(context, model.weights, limits);
        cache = new KvCache(context, model.weights, blocks.length, BLOCK);
        long bytes = Staging.bytes(largest -> Step.reserve(largest, limits));
        staging = new Staging(context.allocate(DType.I32, bytes / Integer.BYTES), List.of(context.hostAllocate(bytes)));
        step = new Step(context, limits, staging);
        none = context.allocateZero(DType.I32, 1);
    }

    /** The samples of a request to the base model. */
    List<Sample> samples(Request request) {
        return IntStream.range(0, request.samples()).mapToObj(i -> sample(request, request.firstSample() + i)).toList();
    }

    private Sample sample(Request request, int number) {
        SamplingParams params = request.params();
        int[] ids = request.prompt();
        float[] logProbabilities = new float[params.maxTokens()];
        for (int i = 0; i < params.maxTokens(); i++) {
            float[] logits = logits(ids);
            float[] biased = logits.clone();
            params.logitBias().forEach((id, value) -> biased[id] += value);
            for (int id = 0; id < biased.length && i < params.minTokens(); id++) {
                if (params.stopTokens().contains(id) || !params.ignoreEos() && eosIds.contains(id)) {
                    biased[id] = Float.NEGATIVE_INFINITY;
                }
            }
            int id = draw(biased, params, number, ids.length);
            double sum = IntStream.range(0, logits.length).mapToDouble(v -> Math.exp(logits[v])).sum();
            logProbabilities[i] = (float) (logits[id] - Math.log(sum));
            ids = Arrays.copyOf(ids, ids.length + 1);
            ids[ids.length - 1] = id;
            if (params.stopTokens().contains(id) || !params.ignoreEos() && eosIds.contains(id)) {
                break;
            }
        }
        int prompt = request.prompt().length;
        return new Sample(Arrays.copyOfRange(ids, prompt, ids.length),
                Arrays.copyOf(logProbabilities, ids.length - prompt));
    }

    /** The logits for the next token after {@code ids}. */
    private float[] logits(int[] ids) {
        staging.begin();
        step.begin(new Step.Shape(ids.length, 1, 1, false));
        int first = step.add(ids, 0, new Step.Placement(Arrays.copyOf(blocks, (ids.length + BLOCK - 1) / BLOCK), 0, 0,
                -1));
        step.wantLogits(first + ids.length - 1);
        context.copyToDevice(staging.memory(), staging.image());
        step.selectIds(none);
        return floats(decoder.forward(step, cache, null));
    }

    private int draw(float[] logits, SamplingParams params, int number, int position) {
        Tensor row = context.allocate(DType.F32, 1, logits.length);
        context.write(row, logits);
        SampleRows settings = new SampleRows(scalar((float) params.temperature()), scalar(params.topK()),
                scalar((float) params.topP()), scalar(params.seed()), scalar(number), scalar(position));
        Tensor id = context.allocate(DType.F32, 1).view(DType.I32, 1);
        ops.sample(id, null, row, settings);
        int drawn = Float.floatToRawIntBits(floats(id.view(DType.F32, 1))[0]);
        context.free(row);
        return drawn;
    }

    private Tensor scalar(float value) {
        Tensor tensor = context.allocate(DType.F32, 1);
        context.write(tensor, new float[] {value});
        return tensor;
    }

    private Tensor scalar(int value) {
        Tensor tensor = context.allocate(DType.I32, 1);
        context.write(tensor, new int[] {value});
        return tensor;
    }

    private Tensor scalar(long value) {
        Tensor tensor = context.allocate(DType.I64, 1);
        context.write(tensor, new long[] {value});
        return tensor;
    }

    private float[] floats(Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.bytes(), 8);
            context.copyToHost(host, tensor);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }
}
