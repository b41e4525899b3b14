package org.ingrain.workbench;

import static org.ingrain.workbench.Call.bytes;
import static org.ingrain.workbench.Call.output;

import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Cases of kv_cache.cc, rope_cache.cc and attention_paged.cc. The built-in op first writes the earlier tokens of each
 * sequence to the cache. The step then computes one or more further tokens of each sequence.
 */
final class CacheCases {
    private static final int BLOCK_SIZE = 32;
    private static final String LETTERS = "S length step H K E cache_bf16 shared_blocks";

    private CacheCases() {
    }

    static void addTo(Cases cases) {
        int[][] sizes = {{1, 1, 1, 1, 1, 2, 0, 0}, {3, 70, 1, 4, 2, 64, 1, 0}, {2, 101, 37, 6, 1, 80, 0, 0},
                {4, 100, 1, 8, 2, 128, 1, 2},
            {5, 97, 5, 8, 8, 32, 0, 1}};
        int h = cases.scale().width(32);
        int k = Math.max(1, cases.scale().width(8));
        int sequences = Math.max(2, cases.scale().rows() / 64);
        int length = Math.max(64, Math.min(2048, cases.scale().rows() / 4));
        cases.add("attention_paged_forward", LETTERS, sizes, new int[][] {{sequences, length, 1, h, k, 128, 1, 0},
            {sequences, length, 1, h, k, 128, 1, length / 64},
            {1, Math.max(32, cases.scale().matmulRows()), Math.max(32, cases.scale().matmulRows()), h, k, 128, 1, 0}},
                Cases.FLOATS, CacheCases::attention);
        cases.add("kv_cache_write", LETTERS, sizes, Cases.at(
                1, cases.scale().rows(), cases.scale().rows(), h, k, 128, 1, 0), Cases.FLOATS, CacheCases::write);
        cases.add("rope_cache_forward", LETTERS, sizes, Cases.at(
                1, cases.scale().rows(), cases.scale().rows(), h, k, 128, 1, 0), Cases.FLOATS, CacheCases::rotate);
        cases.add("kv_cache_copy", "L blocks elements n", new int[][] {{1, 2, 64, 1}, {3, 11, 192, 5}},
                Cases.at(4, 128, cases.scale().width(131072), 64), Cases.FLOATS, CacheCases::copy);
    }

    /** A cache that contains the earlier tokens of all sequences, and the inputs and output of the step to compute. */
    private record Step(Tensor cache, Tensor qkv, Batch batch, Tensor y, int[] lengths) {
    }

    private static Step step(Side side, Case at) {
        int shared = at.get("shared_blocks");
        int[] lengths = IntStream.range(0, at.get("S"))
                .map(s -> Math.max(at.get("step") + shared * BLOCK_SIZE, at.get("length") - 3 * s)).toArray();
        int maxBlocks = (IntStream.of(lengths).max().orElseThrow() + BLOCK_SIZE - 1) / BLOCK_SIZE;
        DType dtype = at.has("cache_bf16") ? DType.BF16 : DType.F32;
        long blockBytes = side.context().kvCacheBlockBytes(dtype, BLOCK_SIZE, at.get("K"), at.get("E"));
        Tensor cache = side.output(dtype, (long) lengths.length * maxBlocks, blockBytes / dtype.bytes());
        int[] table = table(side, lengths.length, maxBlocks, shared);
        int[] none = new int[lengths.length];
        int[] begins = IntStream.range(0, lengths.length).map(s -> s == 0 ? 0 : shared * BLOCK_SIZE).toArray();
        int[] split = IntStream.of(lengths).map(n -> n - at.get("step")).toArray();
        long columns = AttentionCases.heads(at).columns();
        Batch history = batch(side, new int[][] {begins, split, none, none}, table, false);
        if (history.tokens() > 0) {
            side.builtIn().kvCacheWrite(cache, side.normal(at.dtype(), history.tokens(), columns), history,
                    AttentionCases.heads(at));
        }
        int[] groups = shared > 0 ? none : IntStream.range(0, lengths.length).toArray();
        Batch batch = batch(side, new int[][] {split, lengths, groups,
                IntStream.of(none).map(zero -> shared).toArray()}, table, true);
        Tensor qkv = side.normal(at.dtype(), batch.tokens(), columns);
        return new Step(cache, qkv, batch, side.output(at.dtype(), batch.tokens(), (long) at.get("H") * at.get("E")),
                lengths);
    }

    /**
     * Returns the block table (sequences, maxBlocks) with shuffled cache blocks. All sequences share the first {@code
     * shared} blocks of sequence 0.
     */
    private static int[] table(Side side, int sequences, int maxBlocks, int shared) {
        List<Integer> blocks = IntStream.range(0, sequences * maxBlocks).boxed().collect(Collectors.toList());
        Collections.shuffle(blocks, side.random());
        return IntStream.range(0, blocks.size()).map(i -> blocks.get(i % maxBlocks < shared ? i % maxBlocks : i))
                .toArray();
    }

    /**
     * Returns a batch with positions [begin, end) of every sequence.
     *
     * @param each (4, sequences): the begin, end, prefix group and number of prefix blocks of each sequence
     */
    private static Batch batch(Side side, int[][] each, int[] table, boolean grouped) {
        int sequences = each[0].length;
        int[] offsets = new int[sequences + 1];
        for (int s = 0; s < sequences; s++) {
            offsets[s + 1] = offsets[s] + Math.max(0, each[1][s] - each[0][s]);
        }
        int tokens = offsets[sequences];
        int[] positions = new int[tokens];
        for (int s = 0; s < sequences; s++) {
            for (int t = offsets[s]; t < offsets[s + 1]; t++) {
                positions[t] = each[0][s] + t - offsets[s];
            }
        }
        Batch batch = side.context().batch(Math.max(1, tokens), sequences, table.length / sequences, BLOCK_SIZE);
        side.context().write(batch.sequenceOffsets(), offsets);
        side.context().write(batch.positions(), positions);
        side.context().write(batch.blockTables(), table);
        side.context().write(batch.prefixGroups(), grouped ? each[2] : IntStream.range(0, sequences).toArray());
        side.context().write(batch.prefixBlocks(), each[3]);
        batch.use(tokens, sequences, false);
        return batch;
    }

    /** With bf16 products and a bf16 cache, the CPU's attention rounds the queries and the softmax weights to bf16. */
    private static Tolerance tolerance(Side side, Case at) {
        boolean rounds = at.has("cache_bf16")
                && List.of("avx512_bf16", "amx").contains(side.context().device().isa());
        DType inner = rounds ? DType.BF16 : at.dtype();
        return Tolerance.of(at.dtype(), at.get("length") + at.get("E")).through(inner).magnitude(1);
    }

    private static Call attention(Side side, Case at) {
        Step step = step(side, at);
        side.builtIn().kvCacheWrite(step.cache(), step.qkv(), step.batch(), AttentionCases.heads(at));
        double keys = 0;
        double pairs = 0;
        for (int s = 0; s < step.lengths().length; s++) {
            int length = step.lengths()[s];
            keys += s == 0 ? length : length - at.get("shared_blocks") * BLOCK_SIZE;
            pairs += at.get("step") * (length - (at.get("step") - 1) / 2.0);
        }
        double cached = 2.0 * keys * at.get("K") * at.get("E") * step.cache().dtype().bytes();
        return Call.of(() -> side.ops().attentionPaged(
                step.y(), step.qkv(), step.cache(), step.batch(), AttentionCases.heads(at)),
                cached + bytes(step.y(), step.y()), 4 * pairs * at.get("H") * at.get("E"),
                output("y", step.y(), tolerance(side, at)));
    }

    /**
     * Creates a call whose output is a cache. The built-in attention reads this cache, and the output of the attention
     * is compared.
     */
    private static Call write(Side side, Case at) {
        Step step = step(side, at);
        double written = 2.0 * at.get("K") * at.get("E") * step.qkv()
                .size(0) * (at.dtype().bytes() + step.cache().dtype().bytes());
        return new Call(() -> side.ops().kvCacheWrite(step.cache(), step.qkv(), step.batch(), AttentionCases.heads(at)),
                () -> side.builtIn().attentionPaged(step.y(), step.qkv(), step.cache(), step.batch(),
                        AttentionCases.heads(at)),
                List.of(output("cache", step.y(), tolerance(side, at))), written, 0);
    }

    /**
     * The same for rope_cache; the rotated rows are an output, too. A key that differs by one rounding can round to
     * another bf16 value in the cache.
     */
    private static Call rotate(Side side, Case at) {
        Step step = step(side, at);
        Heads heads = AttentionCases.heads(at);
        Tensor table = RowCases.ropeTable(side, IntStream.of(step.lengths()).max().orElseThrow(), at.get("E"));
        double keys = (double) at.get("K") * at.get("E") * step.qkv().size(0);
        double turned = 2.0 * at.get("H") * at.get("E") * step.qkv().size(0) + 3 * keys;
        return new Call(() -> side.ops().fused().ropeCache(step.qkv(), step.cache(), table, step.batch(), heads),
                () -> side.builtIn().attentionPaged(step.y(), step.qkv(), step.cache(), step.batch(), heads),
                List.of(output("cache", step.y(), Tolerance.of(at.dtype(), at.get("length") + at.get("E"))
                        .through(at.has("cache_bf16") ? DType.BF16 : at.dtype()).magnitude(1)),
                        output("qkv", step.qkv(), Tolerance.of(at.dtype(), 2))),
                turned * at.dtype().bytes() + 2 * keys * step.cache().dtype().bytes(), 0);
    }

    private static Call copy(Side side, Case at) {
        Tensor cache = side.normal(at.dtype(), at.get("L"), at.get("blocks"), at.get("elements"));
        int[] pairs = new int[2 * at.get("n")];
        for (int i = 0; i < at.get("n"); i++) {
            pairs[2 * i] = at.get("blocks") - 1 - i;
            pairs[2 * i + 1] = i;
        }
        Tensor list = side.ints(pairs);
        double moved = 2.0 * at.get("n") * at.get("L") * at.get("elements") * at.dtype().bytes();
        return Call.of(() -> side.ops().kvCacheCopy(cache, list), moved, 0, output("cache", cache, Tolerance.exact()));
    }
}
