package org.ingrain.ffi;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * The ops of {@code ingrain.h} bound for one context, name for name and argument for argument; the header is the contract. Tensors
 * cross as their addresses, null as a null pointer. Shapes are checked above, in {@code ops.Ops}.
 */
public final class OpBindings {
    private static final MethodHandle IPPILFL = Signature.handle("ippilfl");
    private static final MethodHandle IPPPIIL = Signature.handle("ipppiil");
    private static final MethodHandle IPPPILL = Signature.handle("ipppill");
    private static final MethodHandle IPPPILLL = Signature.handle("ipppilll");
    private static final MethodHandle IPPPL = Signature.handle("ipppl");
    private static final MethodHandle IPPPLF = Signature.handle("ippplf");
    private static final MethodHandle IPPPLLLL = Signature.handle("ipppllll");
    private static final MethodHandle IPPPPIILF = Signature.handle("ippppiilf");
    private static final MethodHandle IPPPPIILLL = Signature.handle("ippppiilll");
    private static final MethodHandle IPPPPIL = Signature.handle("ippppil");
    private static final MethodHandle IPPPPILL = Signature.handle("ippppill");
    private static final MethodHandle IPPPPILLL = Signature.handle("ippppilll");
    private static final MethodHandle IPPPPILLLL = Signature.handle("ippppillll");
    private static final MethodHandle IPPPPPIILLLF = Signature.handle("ipppppiilllf");
    private static final MethodHandle IPPPPPIL = Signature.handle("ipppppil");
    private static final MethodHandle IPPPPPILLF = Signature.handle("ipppppillf");
    private static final MethodHandle IPPPPPILLLFL = Signature.handle("ipppppilllfl");
    private static final MethodHandle IPPPPPILLLLF = Signature.handle("ipppppillllf");
    private static final MethodHandle IPPPPPL = Signature.handle("ipppppl");
    private static final MethodHandle IPPPPPLL = Signature.handle("ipppppll");
    private static final MethodHandle IPPPPPLLFFFFF = Signature.handle("ipppppllfffff");
    private static final MethodHandle IPPPPPPILLLFL = Signature.handle("ippppppilllfl");
    private static final MethodHandle IPPPPPPILLLL = Signature.handle("ippppppillll");
    private static final MethodHandle IPPPPPPILLLLF = Signature.handle("ippppppillllf");
    private static final MethodHandle IPPPPPPPILLF = Signature.handle("ipppppppillf");
    private static final MethodHandle IPPPPPPPPILL = Signature.handle("ippppppppill");
    private static final MethodHandle IPPPPPPPPILLLLF = Signature.handle("ippppppppillllf");
    private static final MethodHandle IPPPPPPPPPPLL = Signature.handle("ippppppppppll");

    private final Context owner;
    private final long context;
    private final MemorySegment allReduce;
    private final MemorySegment allGather;
    private final MemorySegment pack;
    private final MemorySegment convert;
    private final MemorySegment embeddingForward;
    private final MemorySegment embeddingBackward;
    private final MemorySegment gatherRowsForward;
    private final MemorySegment gatherRowsBackward;
    private final MemorySegment rmsNormForward;
    private final MemorySegment addRmsNormForward;
    private final MemorySegment rmsNormBackward;
    private final MemorySegment matmulForward;
    private final MemorySegment matmulPartialForward;
    private final MemorySegment matmulBackward;
    private final MemorySegment matmulWeightBackward;
    private final MemorySegment matmulSiluMulForward;
    private final MemorySegment ropeForward;
    private final MemorySegment ropeBackward;
    private final MemorySegment kvCacheWrite;
    private final MemorySegment kvCacheCopy;
    private final MemorySegment attentionPagedForward;
    private final MemorySegment attentionForward;
    private final MemorySegment attentionBackward;
    private final MemorySegment siluMulForward;
    private final MemorySegment siluMulBackward;
    private final MemorySegment loraDownForward;
    private final MemorySegment loraUpForward;
    private final MemorySegment loraUpBackward;
    private final MemorySegment loraDownBackward;
    private final MemorySegment crossEntropyForward;
    private final MemorySegment crossEntropyBackward;
    private final MemorySegment gradientNorm;
    private final MemorySegment gradientClip;
    private final MemorySegment adamw;
    private final MemorySegment sample;
    private final MemorySegment selectIds;
    private final MemorySegment randomNormal;

    public OpBindings(Context owner) {
        this(owner, owner.backend());
    }

    /** The ops of a backend on one context; the backend is the context's own, or the same library with other overlays. */
    public OpBindings(Context owner, Backend backend) {
        this.owner = owner;
        context = owner.handle();
        allReduce = backend.op("all_reduce", "ipppill");
        allGather = backend.op("all_gather", "ipppl");
        pack = backend.op("pack", "ipwpilll");
        convert = backend.op("convert", "ipppiil");
        embeddingForward = backend.op("embedding_forward", "ipppwil");
        embeddingBackward = backend.op("embedding_backward", "ippppill");
        gatherRowsForward = backend.op("gather_rows_forward", "ippppill");
        gatherRowsBackward = backend.op("gather_rows_backward", "ippppilll");
        rmsNormForward = backend.op("rms_norm_forward", "ipppppillf");
        addRmsNormForward = backend.op("add_rms_norm_forward", "ipppppppillf");
        rmsNormBackward = backend.op("rms_norm_backward", "ippppppppill");
        matmulForward = backend.op("matmul_forward", "ipppwiilf");
        matmulPartialForward = backend.op("matmul_partial_forward", "ipppwil");
        matmulBackward = backend.op("matmul_backward", "ipppwiilf");
        matmulWeightBackward = backend.op("matmul_weight_backward", "ippppilll");
        matmulSiluMulForward = backend.op("matmul_silu_mul_forward", "ippppwil");
        ropeForward = backend.op("rope_forward", "ippppillll");
        ropeBackward = backend.op("rope_backward", "ippppillll");
        kvCacheWrite = backend.op("kv_cache_write", "ipppbiilll");
        kvCacheCopy = backend.op("kv_cache_copy", "ipppllll");
        attentionPagedForward = backend.op("attention_paged_forward", "ippppbiilllf");
        attentionForward = backend.op("attention_forward", "ipppppillllf");
        attentionBackward = backend.op("attention_backward", "ippppppppillllf");
        siluMulForward = backend.op("silu_mul_forward", "ipppill");
        siluMulBackward = backend.op("silu_mul_backward", "ippppill");
        loraDownForward = backend.op("lora_down_forward", "ipppppilllfl");
        loraUpForward = backend.op("lora_up_forward", "ippppppillll");
        loraUpBackward = backend.op("lora_up_backward", "ippppppillllf");
        loraDownBackward = backend.op("lora_down_backward", "ippppppilllfl");
        crossEntropyForward = backend.op("cross_entropy_forward", "ipppppll");
        crossEntropyBackward = backend.op("cross_entropy_backward", "ipppppillf");
        gradientNorm = backend.op("gradient_norm", "ipppl");
        gradientClip = backend.op("gradient_clip", "ippplf");
        adamw = backend.op("adamw", "ipppppllfffff");
        sample = backend.op("sample", "ippppppppppll");
        selectIds = backend.op("select_ids", "ipppppl");
        randomNormal = backend.op("random_normal", "ippilfl");
    }

    private void call(String op, Native.Call call) {
        int status = Native.status(call);
        if (status != 0) {
            Native.check(op, owner.lastError(), status);
        }
    }

    private static long at(Tensor tensor) {
        return tensor == null ? 0 : tensor.address();
    }

    private static long at(Weight weight) {
        return weight.address();
    }

    private static long at(Batch batch) {
        return batch.address();
    }

    public void allReduce(Tensor y, Tensor partials, int dtype, long chunks, long n) {
        call("all_reduce", () -> (int) IPPPILL.invokeExact(allReduce, context, at(y), at(partials), dtype, chunks, n));
    }

    public void allGather(Tensor y, Tensor x, long bytes) {
        call("all_gather", () -> (int) IPPPL.invokeExact(allGather, context, at(y), at(x), bytes));
    }

    public void pack(Weight w, Tensor source, int sourceDtype, long row, long rows, long ld) {
        call("pack", () -> (int) IPPPILLL.invokeExact(pack, context, at(w), at(source), sourceDtype, row, rows, ld));
    }

    public void convert(Tensor y, Tensor x, int yDtype, int xDtype, long n) {
        call("convert", () -> (int) IPPPIIL.invokeExact(convert, context, at(y), at(x), yDtype, xDtype, n));
    }

    public void embeddingForward(Tensor y, Tensor ids, Weight table, int dtype, long t) {
        call("embedding_forward", () -> (int) IPPPPIL.invokeExact(embeddingForward, context, at(y), at(ids), at(table), dtype, t));
    }

    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids, int dtype, long t, long d) {
        call("embedding_backward", () -> (int) IPPPPILL.invokeExact(embeddingBackward, context, at(dtable), at(dy), at(ids), dtype, t, d));
    }

    public void gatherRowsForward(Tensor y, Tensor x, Tensor rows, int dtype, long m, long d) {
        call("gather_rows_forward", () -> (int) IPPPPILL.invokeExact(gatherRowsForward, context, at(y), at(x), at(rows), dtype, m, d));
    }

    public void gatherRowsBackward(Tensor dx, Tensor dy, Tensor rows, int dtype, long m, long t, long d) {
        call("gather_rows_backward", () -> (int) IPPPPILLL.invokeExact(gatherRowsBackward, context, at(dx), at(dy), at(rows), dtype, m, t,
                d));
    }

    public void rmsNormForward(Tensor y, Tensor rstd, Tensor x, Tensor w, int dtype, long t, long d, float eps) {
        call("rms_norm_forward", () -> (int) IPPPPPILLF.invokeExact(rmsNormForward, context, at(y), at(rstd), at(x), at(w), dtype, t, d,
                eps));
    }

    public void addRmsNormForward(Tensor y, Tensor h, Tensor rstd, Tensor x, Tensor residual, Tensor w, int dtype, long t, long d,
            float eps) {
        call("add_rms_norm_forward", () -> (int) IPPPPPPPILLF.invokeExact(addRmsNormForward, context, at(y), at(h), at(rstd), at(x),
                at(residual), at(w), dtype, t, d, eps));
    }

    public void rmsNormBackward(Tensor dx, Tensor dw, Tensor dy, Tensor dresidual, Tensor x, Tensor w, Tensor rstd, int dtype, long t,
            long d) {
        call("rms_norm_backward", () -> (int) IPPPPPPPPILL.invokeExact(rmsNormBackward, context, at(dx), at(dw), at(dy), at(dresidual),
                at(x), at(w), at(rstd), dtype, t, d));
    }

    public void matmulForward(Tensor y, Tensor x, Weight w, int dtype, int yDtype, long t, float beta) {
        call("matmul_forward", () -> (int) IPPPPIILF.invokeExact(matmulForward, context, at(y), at(x), at(w), dtype, yDtype, t, beta));
    }

    public void matmulPartialForward(Tensor partials, Tensor x, Weight w, int dtype, long t) {
        call("matmul_partial_forward", () -> (int) IPPPPIL.invokeExact(matmulPartialForward, context, at(partials), at(x), at(w), dtype,
                t));
    }

    public void matmulBackward(Tensor dx, Tensor dy, Weight w, int dtype, int dxDtype, long t, float beta) {
        call("matmul_backward", () -> (int) IPPPPIILF.invokeExact(matmulBackward, context, at(dx), at(dy), at(w), dtype, dxDtype, t, beta));
    }

    public void matmulWeightBackward(Tensor dw, Tensor dy, Tensor x, int dtype, long t, long n, long c) {
        call("matmul_weight_backward", () -> (int) IPPPPILLL.invokeExact(matmulWeightBackward, context, at(dw), at(dy), at(x), dtype, t,
                n, c));
    }

    public void matmulSiluMulForward(Tensor y, Tensor gateUp, Tensor x, Weight w, int dtype, long t) {
        call("matmul_silu_mul_forward", () -> (int) IPPPPPIL.invokeExact(matmulSiluMulForward, context, at(y), at(gateUp), at(x), at(w), dtype,
                t));
    }

    public void ropeForward(Tensor qkv, Tensor table, Tensor positions, int dtype, long t, long h, long k, long e) {
        call("rope_forward", () -> (int) IPPPPILLLL.invokeExact(ropeForward, context, at(qkv), at(table), at(positions), dtype, t, h, k,
                e));
    }

    public void ropeBackward(Tensor dqkv, Tensor table, Tensor positions, int dtype, long t, long h, long k, long e) {
        call("rope_backward", () -> (int) IPPPPILLLL.invokeExact(ropeBackward, context, at(dqkv), at(table), at(positions), dtype, t, h,
                k, e));
    }

    public void kvCacheWrite(Tensor cache, Tensor qkv, Batch batch, int dtype, int cacheDtype, long h, long k, long e) {
        call("kv_cache_write", () -> (int) IPPPPIILLL.invokeExact(kvCacheWrite, context, at(cache), at(qkv), at(batch), dtype, cacheDtype,
                h, k, e));
    }

    public void kvCacheCopy(Tensor cache, Tensor pairs, long n, long blockBytes, long layerBytes, long l) {
        call("kv_cache_copy", () -> (int) IPPPLLLL.invokeExact(kvCacheCopy, context, at(cache), at(pairs), n, blockBytes, layerBytes, l));
    }

    public void attentionPagedForward(Tensor y, Tensor qkv, Tensor cache, Batch batch, int dtype, int cacheDtype, long h, long k, long e,
            float scale) {
        call("attention_paged_forward", () -> (int) IPPPPPIILLLF.invokeExact(attentionPagedForward, context, at(y), at(qkv), at(cache),
                at(batch), dtype, cacheDtype, h, k, e, scale));
    }

    public void attentionForward(Tensor y, Tensor lse, Tensor qkv, Tensor offsets, int dtype, long s, long h, long k, long e, float scale) {
        call("attention_forward", () -> (int) IPPPPPILLLLF.invokeExact(attentionForward, context, at(y), at(lse), at(qkv), at(offsets),
                dtype, s, h, k, e, scale));
    }

    public void attentionBackward(Tensor dqkv, Tensor delta, Tensor dy, Tensor qkv, Tensor y, Tensor lse, Tensor offsets, int dtype,
            long s, long h, long k, long e, float scale) {
        call("attention_backward", () -> (int) IPPPPPPPPILLLLF.invokeExact(attentionBackward, context, at(dqkv), at(delta), at(dy),
                at(qkv), at(y), at(lse), at(offsets), dtype, s, h, k, e, scale));
    }

    public void siluMulForward(Tensor y, Tensor gateUp, int dtype, long t, long f) {
        call("silu_mul_forward", () -> (int) IPPPILL.invokeExact(siluMulForward, context, at(y), at(gateUp), dtype, t, f));
    }

    public void siluMulBackward(Tensor dgateUp, Tensor dy, Tensor gateUp, int dtype, long t, long f) {
        call("silu_mul_backward", () -> (int) IPPPPILL.invokeExact(siluMulBackward, context, at(dgateUp), at(dy), at(gateUp), dtype, t, f));
    }

    public void loraDownForward(Tensor u, Tensor x, Tensor a, Tensor slots, int dtype, long t, long c, long r, float dropout, long seed) {
        call("lora_down_forward", () -> (int) IPPPPPILLLFL.invokeExact(loraDownForward, context, at(u), at(x), at(a), at(slots), dtype, t,
                c, r, dropout, seed));
    }

    public void loraUpForward(Tensor y, Tensor u, Tensor b, Tensor scaling, Tensor slots, int dtype, long t, long n, long r, long ld) {
        call("lora_up_forward", () -> (int) IPPPPPPILLLL.invokeExact(loraUpForward, context, at(y), at(u), at(b), at(scaling), at(slots),
                dtype, t, n, r, ld));
    }

    public void loraUpBackward(Tensor du, Tensor dB, Tensor dy, Tensor u, Tensor b, int dtype, long t, long n, long r, long ld,
            float scaling) {
        call("lora_up_backward", () -> (int) IPPPPPPILLLLF.invokeExact(loraUpBackward, context, at(du), at(dB), at(dy), at(u), at(b),
                dtype, t, n, r, ld, scaling));
    }

    public void loraDownBackward(Tensor dx, Tensor dA, Tensor du, Tensor x, Tensor a, int dtype, long t, long c, long r, float dropout,
            long seed) {
        call("lora_down_backward", () -> (int) IPPPPPPILLLFL.invokeExact(loraDownBackward, context, at(dx), at(dA), at(du), at(x), at(a),
                dtype, t, c, r, dropout, seed));
    }

    public void crossEntropyForward(Tensor loss, Tensor lse, Tensor logits, Tensor targets, long m, long v) {
        call("cross_entropy_forward", () -> (int) IPPPPPLL.invokeExact(crossEntropyForward, context, at(loss), at(lse), at(logits),
                at(targets), m, v));
    }

    public void crossEntropyBackward(Tensor dlogits, Tensor logits, Tensor lse, Tensor targets, int dtype, long m, long v, float scale) {
        call("cross_entropy_backward", () -> (int) IPPPPPILLF.invokeExact(crossEntropyBackward, context, at(dlogits), at(logits), at(lse),
                at(targets), dtype, m, v, scale));
    }

    public void gradientNorm(Tensor norm, Tensor x, long n) {
        call("gradient_norm", () -> (int) IPPPL.invokeExact(gradientNorm, context, at(norm), at(x), n));
    }

    public void gradientClip(Tensor x, Tensor norm, long n, float maxNorm) {
        call("gradient_clip", () -> (int) IPPPLF.invokeExact(gradientClip, context, at(x), at(norm), n, maxNorm));
    }

    public void adamw(Tensor p, Tensor m, Tensor v, Tensor g, long n, long step, float lr, float beta1, float beta2, float eps,
            float weightDecay) {
        call("adamw", () -> (int) IPPPPPLLFFFFF.invokeExact(adamw, context, at(p), at(m), at(v), at(g), n, step, lr, beta1, beta2, eps,
                weightDecay));
    }

    public void sample(Tensor ids, Tensor logProbabilities, Tensor logits, Tensor temperature, Tensor topK, Tensor topP, Tensor seeds,
            Tensor sequences, Tensor positions, long m, long v) {
        call("sample", () -> (int) IPPPPPPPPPPLL.invokeExact(sample, context, at(ids), at(logProbabilities), at(logits), at(temperature),
                at(topK), at(topP), at(seeds), at(sequences), at(positions), m, v));
    }

    public void selectIds(Tensor ids, Tensor given, Tensor source, Tensor drawn, long t) {
        call("select_ids", () -> (int) IPPPPPL.invokeExact(selectIds, context, at(ids), at(given), at(source), at(drawn), t));
    }

    public void randomNormal(Tensor y, int dtype, long n, float std, long seed) {
        call("random_normal", () -> (int) IPPILFL.invokeExact(randomNormal, context, at(y), dtype, n, std, seed));
    }
}
