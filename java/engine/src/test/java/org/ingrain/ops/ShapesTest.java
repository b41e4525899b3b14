package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every op rejects each tensor of a wrong shape or type. It does so before it calls the backend, and the message names
 * the tensor.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ShapesTest {
    /**
     * Bytes that are allocated for each tensor. This is enough for every wrong shape, so a missing check cannot cause
     * an access outside the memory.
     */
    private static final long BYTES = 1 << 18;
    private static final Heads HEADS = new Heads(2, 1, 32, 1);

    private final Backend backend = Backend.open(NativeLibraries.find("cpu"));
    private final Context context = backend.context(new ContextOptions(0, 1, "avx2"));
    private final Ops ops = new Ops(context);
    private final Weight w = context.weight(DType.F32, Weight.Layout.ROW_MAJOR, 6, 8, 0);
    private final Weight chunked = context.weight(DType.F32, Weight.Layout.ROW_MAJOR, 6, 64, 8);
    private final Weight quantized =
            context.weight(new Weight.Format(DType.INT4, Weight.Layout.ROW_MAJOR, 32, true), 6, 64, 0);
    private final Batch batch = context.batch(3, 1, 1, 16);

    private interface Call {
        void with(Tensor[] tensors);
    }

    /**
     * An op and its tensors.
     *
     * @param op        method of {@link Ops} or {@link FusedOps}
     * @param arguments "name type size size, ...". A * after a type or a size means that the op accepts any type or
     *                  size there. A ~ after a name means that only the number of elements is checked.
     * @param call      calls the op with the tensors in the order of {@code arguments}
     */
    private record Trial(String op, String arguments, Call call) {
        List<String[]> words() {
            return Stream.of(arguments.split(", ")).map(argument -> argument.split(" ")).toList();
        }

        @Override
        public String toString() {
            return op;
        }
    }

    @AfterAll
    void close() {
        context.close();
        backend.close();
    }

    Stream<Trial> trials() {
        batch.use(3, 1, false);
        context.write(batch.sequenceOffsets(), 0, 3);
        context.write(batch.positions(), 0, 1, 2);
        long block = context.kvCacheBlockBytes(DType.F32, 16, 1, 32) / Float.BYTES;
        return Stream.of(modelOps(block), fusedOps(block), otherOps()).flatMap(trials -> trials);
    }

    private Stream<Trial> modelOps(long block) {
        return Stream.of(
                new Trial("allReduce", "y~ F32* 3 8, partials~ F32 2 3 8", t -> ops.allReduce(t[0], t[1], 2)),
                new Trial("allGather", "y~ F32 2* 3 8, x~ F32 3 8", t -> ops.allGather(t[0], t[1])),
                new Trial("reduceScatter", "y~ F32* 3 8, partials~ F32 2* 3 8", t -> ops.reduceScatter(t[0], t[1], 2)),
                new Trial("broadcast", "y~ F32 3 8, x~ F32 3 8", t -> ops.broadcast(t[0], t[1], 0)),
                new Trial("pack", "source F32* 6 8", t -> ops.pack(w, t[0], 0)),
                new Trial("convert", "y~ F32* 3 8, x~ BF16* 3 8", t -> ops.convert(t[0], t[1])),
                new Trial("embedding", "y F32* 3 8, ids I32 3", t -> ops.embedding(t[0], t[1], w)),
                new Trial("embeddingBackward", "dtable F32 6* 8, dy F32* 3 8, ids I32 3",
                        t -> ops.embeddingBackward(t[0], t[1], t[2])),
                new Trial("gatherRows", "y F32 3 8, x F32 6* 8, rows I32 3", t -> ops.gatherRows(t[0], t[1], t[2])),
                new Trial("gatherRowsBackward", "dx F32 6* 8, dy F32 3 8, rows I32 3",
                        t -> ops.gatherRowsBackward(t[0], t[1], t[2])),
                new Trial("rmsNorm", "y F32 3 8, rstd F32 3, x F32 3 8, w F32 8",
                        t -> ops.rmsNorm(t[0], t[1], t[2], t[3], 1e-5f)),
                new Trial("addRmsNorm", "y F32 3 8, h F32 3 8, rstd F32 3, x F32 3 8, residual F32 3 8, w F32 8",
                        t -> ops.addRmsNorm(t[0], t[1], t[2], t[3], t[4], t[5], 1e-5f)),
                new Trial(
                        "rmsNormBackward",
                        "dx F32 3 8, dw F32 8, dy F32 3 8, dresidual F32 3 8, x F32 3 8, w F32 8, rstd F32 3",
                        t -> ops.rmsNormBackward(t[0], t[1], t[2], t[3], t[4], t[5], t[6])),
                new Trial("matmul", "y F32* 3 6, x F32* 3 8", t -> ops.matmul(t[0], t[1], w)),
                new Trial("matmulPartial", "partials F32 8 3 6, x F32* 3 64",
                        t -> ops.matmulPartial(t[0], t[1], chunked)),
                new Trial("matmulBackward", "dx F32* 3 8, dy F32* 3 6", t -> ops.matmulBackward(t[0], t[1], w, 0)),
                new Trial("matmulWeightBackward", "dw F32 6 8, dy F32 3 6, x F32 3 8",
                        t -> ops.matmulWeightBackward(t[0], t[1], t[2])),
                new Trial("addBias", "y F32 3* 8, b F32 8", t -> ops.addBias(t[0], t[1])),
                new Trial("addBiasBackward", "db F32 8, dy F32* 3* 8", t -> ops.addBiasBackward(t[0], t[1])),
                new Trial("qkNorm", "y F32 3 128, rstd F32 3 3, x F32 3 128, q_norm F32 32, k_norm F32 32",
                        t -> ops.qkNorm(t[0], t[1], t[2], new QkNorm(t[3], t[4]), HEADS, 1e-6f)),
                new Trial(
                        "qkNormBackward",
                        "dx F32 3 128, dq_norm F32 32, dk_norm F32 32, x F32 3 128, q_norm F32 32, k_norm F32 32, "
                        + "rstd F32 3 3",
                        t -> ops.qkNormBackward(t[0], new QkNorm(t[1], t[2]), t[3], new QkNorm(t[4], t[5]),
                                t[6], HEADS)),
                new Trial("rope", "qkv F32* 3 128, table F32 7* 32, positions I32 3",
                        t -> ops.rope(t[0], t[1], t[2], HEADS)),
                new Trial("ropeBackward", "dqkv F32* 3 128, table F32 7* 32, positions I32 3",
                        t -> ops.ropeBackward(t[0], t[1], t[2], HEADS)),
                new Trial("kvCacheWrite", "cache F32* 4* " + block + ", qkv F32* 3 128",
                        t -> ops.kvCacheWrite(t[0], t[1], batch, HEADS)),
                new Trial("kvCacheCopy", "cache F32* 2* 4* 16*, pairs I32 2", t -> ops.kvCacheCopy(t[0], t[1])),
                new Trial("attentionPaged", "y F32 3 64, qkv F32 3 128, cache F32* 4* " + block,
                        t -> ops.attentionPaged(t[0], t[1], t[2], batch, HEADS)),
                new Trial("attention", "y F32 3 64, lse F32 3 2, qkv F32 3 128, offsets I32 2*",
                        t -> ops.attention(new AttentionState(t[2], t[0], t[1], t[3], DType.F32), HEADS)),
                new Trial(
                        "attentionBackward",
                        "dqkv F32 3 128, delta F32 3 2, sums F32 3 128, dy F32 3 64, qkv F32 3 128, y F32 3 64, "
                        + "lse F32 3 2, offsets I32 2*", t -> ops.attentionBackward(t[0], t[1], t[2], t[3],
                                new AttentionState(t[4], t[5], t[6], t[7], DType.F32), HEADS)),
                new Trial("siluMul", "y F32 3 8, gateUp F32 3 16", t -> ops.siluMul(t[0], t[1])),
                new Trial("siluMulBackward", "dgateUp F32 3 16, dy F32 3 8, gateUp F32 3 16",
                        t -> ops.siluMulBackward(t[0], t[1], t[2])));
    }

    private Stream<Trial> fusedOps(long block) {
        return Stream.of(
                new Trial("matmulSiluMul", "y F32 3 3, gateUp F32 3 6, x F32 3 8",
                        t -> ops.fused().matmulSiluMul(t[0], t[1], t[2], w)),
                new Trial("normMatmul", "y F32 3 6, x F32 3 8, h F32 3 8, w F32 8",
                        t -> ops.fused().normMatmul(t[0], new FusedOps.Normed(t[1], t[2], t[3], 1e-5f), w)),
                new Trial("normMatmulSiluMul", "y F32 3 3, gateUp F32 3 6, x F32 3 8, h F32 3 8, w F32 8",
                        t -> ops.fused().normMatmulSiluMul(t[0], t[1],
                                new FusedOps.Normed(t[2], t[3], t[4], 1e-5f), w)),
                new Trial("ropeCache", "qkv F32* 3 128, cache F32* 4* " + block + ", table F32 7* 32",
                        t -> ops.fused().ropeCache(t[0], t[1], t[2], batch, HEADS)));
    }

    private Stream<Trial> otherOps() {
        return Stream.of(
                new Trial("packQuantized", "values INT8 6 32, scales F16 6 2, zeros INT8 6 2",
                        t -> ops.packQuantized(quantized, t[0], t[1], t[2], 0)),
                new Trial("loraDown", "u F32 3 4, x F32* 3 8, A F32 2* 4 8, slots I32 3",
                        t -> ops.loraDown(t[0], t[1], t[2], t[3], Dropout.NONE)),
                new Trial("loraUp", "y F32* 3 9*, u F32 3 5*, B F32 2 8* 4*, scaling F32 2, slots I32 3",
                        t -> ops.loraUp(t[0], t[1], t[2], t[3], t[4])),
                new Trial("loraUpBackward", "du F32 3 5, dB F32 1 8 4, dy F32* 3 8*, u F32 3 5, B F32 1 8 4",
                        t -> ops.loraUpBackward(t[0], t[1], t[2], t[3], t[4], 1)),
                new Trial("loraDownBackward", "dx F32 3 8, dA F32 1 4 8, du F32 3 4, x F32 3 8, A F32 1 4 8",
                        t -> ops.loraDownBackward(t[0], t[1], t[2], t[3], t[4], Dropout.NONE)),
                new Trial("crossEntropy", "loss F32 3, lse F32 3, logits F32 3 8*, targets I32 3",
                        t -> ops.crossEntropy(t[0], t[1], t[2], t[3])),
                new Trial("crossEntropyBackward", "dlogits F32* 3 8, logits F32 3 8, lse F32 3, targets I32 3",
                        t -> ops.crossEntropyBackward(t[0], t[1], t[2], t[3], 1)),
                new Trial("gradientNorm", "norm F32 1, x~ F32 8*", t -> ops.gradientNorm(t[0], t[1])),
                new Trial("gradientClip", "x~ F32 8*, norm F32 1", t -> ops.gradientClip(t[0], t[1], 1)),
                new Trial("adamw", "p~ F32 8, m~ F32 8, v~ F32 8, g~ F32 8",
                        t -> ops.adamw(t[0], t[1], t[2], t[3], 1, new AdamW(0.1f, 0.9f, 0.9f, 1e-8f, 0))),
                new Trial(
                        "sample",
                        "ids I32 3, logProbabilities F32 3, logits F32 3 8*, temperature F32 3, topK I32 3, topP F32 "
                        + "3, seeds I64 3, "
                        + "sequences I32 3, positions I32 3",
                        t -> ops.sample(t[0], t[1], t[2], new SampleRows(t[3], t[4], t[5], t[6], t[7], t[8]))),
                new Trial("biasLogits", "logits F32 8* 8*, rows I32 2, ids I32 2, values F32 2",
                        t -> ops.biasLogits(t[0], t[1], t[2], t[3])),
                new Trial("selectIds", "ids I32 3, given I32 3, source I32 3, drawn I32 2*",
                        t -> ops.selectIds(t[0], t[1], t[2], t[3])),
                new Trial("topTokens", "ids I32 3 2*, logProbabilities F32 3 2, logits F32 3* 7*",
                        t -> ops.topTokens(t[0], t[1], t[2])),
                new Trial("randomNormal", "y~ F32* 3*", t -> ops.randomNormal(t[0], 1, 1)));
    }

    @Test
    void everyOpIsTried() {
        String methods = Stream.of(Ops.class, FusedOps.class).flatMap(ops -> Arrays.stream(ops.getDeclaredMethods()))
                .filter(method -> Modifier.isPublic(method.getModifiers()) && method.getReturnType() == void.class)
                .map(Method::getName).distinct().sorted().collect(Collectors.joining("\n"));
        assertEquals(methods, String.join("\n", new TreeSet<>(trials().map(Trial::op).toList())));
    }

    @ParameterizedTest
    @MethodSource("trials")
    void aWrongTensorIsRefused(Trial trial) {
        List<String[]> words = trial.words();
        Tensor[] right = words.stream().map(this::right).toArray(Tensor[]::new);
        call(trial, right);
        String named = words.stream().map(argument -> argument[0].replace("~", ""))
                .collect(Collectors.joining("|", "(", ") is .+, expected .+"));
        for (int i = 0; i < right.length; i++) {
            for (Tensor wrong : wrong(words.get(i), right[i])) {
                Tensor[] tensors = right.clone();
                tensors[i] = wrong;
                String message = assertThrows(IllegalArgumentException.class, () -> call(trial, tensors),
                        () -> trial.arguments + " with " + wrong).getMessage();
                assertTrue(message.matches(named), message);
            }
        }
    }

    /**
     * Calls the op. A collective without a communicator throws a BackendException. This means that the checks of the
     * shapes passed.
     */
    private static void call(Trial trial, Tensor[] tensors) {
        try {
            trial.call.with(tensors);
        } catch (BackendException e) {
            assertTrue(trial.op.startsWith("all"), e.getMessage());
        }
    }

    private Tensor right(String[] argument) {
        DType dtype = DType.valueOf(argument[1].replace("*", ""));
        long[] shape = Arrays.stream(argument).skip(2).mapToLong(size -> Long.parseLong(size.replace("*", "")))
                .toArray();
        return context.allocateZero(dtype, BYTES / dtype.bytes()).view(shape);
    }

    private static List<Tensor> wrong(String[] argument, Tensor right) {
        List<Tensor> all = new ArrayList<>();
        if (!argument[1].endsWith("*")) {
            all.add(memory(right).view(right.dtype() == DType.F32 ? DType.BF16 : DType.F32, shape(right)));
        }
        for (int i = 0; i < right.rank(); i++) {
            if (!argument[2 + i].endsWith("*")) {
                long[] longer = shape(right);
                longer[i]++;
                all.add(memory(right).view(longer));
            }
        }
        if (!argument[0].endsWith("~")) {
            all.add(memory(right).view(Arrays.copyOf(shape(right), right.rank() - 1)));
            long[] one = Arrays.copyOf(shape(right), right.rank() + 1);
            one[right.rank()] = 1;
            all.add(memory(right).view(one));
            if (right.rank() == 2 && right.size(0) != right.size(1)) {
                all.add(memory(right).view(right.size(1), right.size(0)));
            }
        }
        return all;
    }

    /** The whole memory of a tensor as a flat tensor. */
    private static Tensor memory(Tensor tensor) {
        return new Tensor(tensor.address(), tensor.dtype(), BYTES / tensor.dtype().bytes());
    }

    private static long[] shape(Tensor tensor) {
        long[] shape = new long[tensor.rank()];
        Arrays.setAll(shape, tensor::size);
        return shape;
    }
}
