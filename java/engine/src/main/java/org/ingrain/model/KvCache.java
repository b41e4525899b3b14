package org.ingrain.model;

import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/** The paged keys and values of all layers: (L, blocks, bytes a block). Which block belongs to whom is the scheduler's business. */
public final class KvCache implements AutoCloseable {
    private final Context context;
    private final Ops ops;
    private final Tensor memory;
    private final int blocks;
    private final int blockSize;

    public KvCache(Context context, Weights weights, int blocks, int blockSize) {
        this.context = context;
        this.blocks = blocks;
        this.blockSize = blockSize;
        ops = new Ops(context);
        Blueprint c = weights.config();
        DType dtype = weights.precision().cache();
        long blockElements = blockBytes(context, c, weights.precision(), weights.rank(), blockSize) / c.numHiddenLayers() / dtype.bytes();
        memory = context.allocate(dtype, c.numHiddenLayers(), blocks, blockElements);
    }

    /** Bytes of one block over all layers. */
    public static long blockBytes(Context context, Blueprint c, Precision precision, Rank rank, int blockSize) {
        return context.kvCacheBlockBytes(precision.cache(), blockSize, c.numKeyValueHeads() / rank.count(), c.headDim()) * c.numHiddenLayers();
    }

    /** One layer's cache (blocks, elements a block). */
    public Tensor layer(int i) {
        return memory.rows(i, i + 1).view(memory.size(1), memory.size(2));
    }

    /** Copies blocks in all layers: pairs (n, 2) I32 of source and destination. */
    public void copyBlocks(Tensor pairs) {
        ops.kvCacheCopy(memory, pairs, pairs.elements() / 2);
    }

    public int blocks() {
        return blocks;
    }

    /** Tokens a block. */
    public int blockSize() {
        return blockSize;
    }

    @Override
    public void close() {
        context.free(memory);
    }
}
