package org.ingrain.model;

import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ffi.Allocator;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The paged key-value cache of all layers, shape (L, blocks, elements per block). The scheduler decides which sequence
 * owns which block.
 */
public final class KvCache {
    private final Ops ops;
    private final Tensor memory;
    private final List<Tensor> layers;
    private final int blocks;
    private final int blockSize;

    public KvCache(Allocator allocator, Weights weights, int blocks, int blockSize) {
        this.blocks = blocks;
        this.blockSize = blockSize;
        ops = new Ops(allocator.context());
        DType dtype = weights.precision().cache();
        Ops.Heads heads = weights.config().attention().heads(weights.rank());
        long blockBytes = allocator.context().kvCacheBlockBytes(dtype, blockSize, heads.k(), heads.e());
        memory = allocator.allocate(dtype, weights.layers().size(), blocks, blockBytes / dtype.bytes());
        layers = IntStream.range(0, weights.layers().size())
                .mapToObj(i -> memory.rows(i, i + 1).view(memory.size(1), memory.size(2))).toList();
    }

    /** The cache of one layer, shape (blocks, elements per block). */
    public Tensor layer(int i) {
        return layers.get(i);
    }

    /** Copies blocks in all layers. {@code pairs} (2n) I32 alternates between source and destination blocks. */
    public void copyBlocks(Tensor pairs) {
        ops.kvCacheCopy(memory, pairs);
    }

    public int blocks() {
        return blocks;
    }

    /** Tokens per cache block. */
    public int blockSize() {
        return blockSize;
    }
}
