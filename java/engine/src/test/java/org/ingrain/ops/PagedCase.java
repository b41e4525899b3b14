package org.ingrain.ops;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.ingrain.ops.Ops.Heads;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Sequences with fixed q, k and v that are computed step by step with a paged cache. The first {@code sharers}
 * sequences share the first {@code sharedBlocks} blocks; sequence 0 writes these blocks before the other sequences
 * begin. Every run uses a new cache filled with NaN, and shuffled block tables.
 */
final class PagedCase {
    private final ParityCheck lab;
    private final Layer layer;
    private final int sharers;
    private final int sharedBlocks;
    private final float[][] qkv;
    private final double std;
    private final boolean planned;

    /** Types and sizes of the layer. */
    record Layer(Heads heads, DType dtype, DType cacheDtype, int blockSize) {
        static Layer of(long h, long k, long e, DType dtype, DType cacheDtype, int blockSize) {
            return new Layer(new Heads(h, k, e, (float) (1 / Math.sqrt(e))), dtype, cacheDtype, blockSize);
        }
    }

    /**
     * How the rows of the sequences are divided into steps. Sequence s has {@code chunks[s % chunks.length]} rows in
     * each step until it ends.
     *
     * @param grouped  whether sequences that share blocks form a prefix group
     * @param together whether all sequences are in one batch; if false, each sequence is computed alone
     * @param chunks   rows per step
     */
    record Schedule(boolean grouped, boolean together, int... chunks) {
        static final int WHOLE = Integer.MAX_VALUE;
    }

    /** Rows [begin, end) of a sequence. */
    private record Piece(int sequence, int begin, int end) {
    }

    PagedCase(ParityCheck lab, Layer layer, double std, int sharers, int sharedBlocks, int... lengths) {
        this(lab, layer, std, sharers, sharedBlocks, Arrays.stream(lengths)
                .mapToObj(n -> lab.normal(std, layer.dtype(), n, layer.heads().columns()).values())
                .toArray(float[][]::new), false);
        for (int s = 1; s < sharers; s++) {
            System.arraycopy(qkv[0], 0, qkv[s], 0, sharedRows() * Math.toIntExact(layer.heads().columns()));
        }
    }

    private PagedCase(ParityCheck lab, Layer layer, double std, int sharers, int sharedBlocks, float[][] qkv,
            boolean planned) {
        this.lab = lab;
        this.layer = layer;
        this.std = std;
        this.sharers = sharers;
        this.sharedBlocks = sharedBlocks;
        this.qkv = qkv;
        this.planned = planned;
    }

    DType cacheDtype() {
        return layer.cacheDtype();
    }

    private int sharedRows() {
        return sharedBlocks * layer.blockSize();
    }

    /** The same sequences without shared blocks. */
    PagedCase unshared() {
        return new PagedCase(lab, layer, std, 0, 0, qkv, planned);
    }

    /** The same sequences. Attention runs twice per step, and the second time it uses the plan of the first. */
    PagedCase planned() {
        return new PagedCase(lab, layer, std, sharers, sharedBlocks, qkv, true);
    }

    /**
     * A score is a sum of E terms of size std². An absolute error of a score causes an equal relative error of its
     * softmax weight.
     */
    ParityTolerance tolerance(DType dtype) {
        int longest = Arrays.stream(qkv).mapToInt(rows -> rows.length).max().orElseThrow();
        return ParityTolerance.of(dtype, longest / layer.heads().columns() + layer.heads().e())
                .magnitude(Math.pow(Math.max(std, 1), 3));
    }

    /** The same sequences, but the values of one row of sequence s are infinite. */
    PagedCase infiniteValues(int s, int row) {
        float[][] changed = qkv.clone();
        changed[s] = qkv[s].clone();
        int columns = Math.toIntExact(layer.heads().columns());
        int values = Math.toIntExact(layer.heads().k() * layer.heads().e());
        Arrays.fill(changed[s], (row + 1) * columns - values, (row + 1) * columns, Float.POSITIVE_INFINITY);
        return new PagedCase(lab, layer, std, sharers, sharedBlocks, changed, planned);
    }

    private int length(int s) {
        return qkv[s].length / Math.toIntExact(layer.heads().columns());
    }

    /** libtorch's y (length, H·E) of sequence s, with k and v rounded to the cache's dtype. */
    float[] expected(int s) {
        long queries = layer.heads().h() * layer.heads().e();
        float[] rounded = qkv[s].clone();
        float[] cached = Floats.rounded(layer.cacheDtype(), rounded);
        for (int i = 0; i < rounded.length; i++) {
            rounded[i] = i % layer.heads().columns() < queries ? rounded[i] : cached[i];
        }
        return lab.reference(torch -> Torch.floats(
                Attention.causal(torch, torch.array(rounded, length(s), layer.heads().columns()), layer.heads())));
    }

    /**
     * Returns y (length, H·E) of every sequence. The ops of {@code write} write the cache, and the ops of {@code
     * attend} compute the attention.
     */
    float[][] run(Ops write, Ops attend, Schedule schedule) {
        int maxBlocks = (Arrays.stream(qkv).mapToInt(rows -> rows.length).max().orElseThrow()
                / Math.toIntExact(layer.heads().columns()) + layer.blockSize() - 1) / layer.blockSize();
        int[][] tables = tables(maxBlocks);
        long blockBytes = lab.context().kvCacheBlockBytes(
                layer.cacheDtype(), layer.blockSize(), layer.heads().k(), layer.heads().e());
        Tensor cache = lab.output(layer.cacheDtype(), (long) qkv.length * maxBlocks,
                blockBytes / layer.cacheDtype().bytes());
        Batch batch = lab.context().batch(Arrays.stream(qkv).mapToInt(rows -> rows.length).sum(), qkv.length, maxBlocks,
                layer.blockSize());
        if (planned) {
            batch.planIn(lab.output(DType.I32, Batch.planElements(Arrays.stream(qkv).mapToInt(r -> r.length).sum())));
        }
        int width = Math.toIntExact(layer.heads().h() * layer.heads().e());
        float[][] y = new float[qkv.length][];
        Arrays.setAll(y, s -> new float[length(s) * width]);
        for (List<Piece> step : steps(schedule)) {
            Tensor out = step(cache, batch, tables, step, schedule.grouped(), write, attend);
            float[] rows = lab.floats(out);
            int at = 0;
            for (Piece piece : step) {
                int n = (piece.end() - piece.begin()) * width;
                System.arraycopy(rows, at, y[piece.sequence()], piece.begin() * width, n);
                at += n;
            }
        }
        for (int s = 1; s < sharers; s++) {
            System.arraycopy(y[0], 0, y[s], 0, sharedRows() * width);
        }
        return y;
    }

    private int[][] tables(int maxBlocks) {
        List<Integer> blocks = new ArrayList<>();
        for (int b = 0; b < qkv.length * maxBlocks; b++) {
            blocks.add(b);
        }
        Collections.shuffle(blocks, lab.random());
        int[][] tables = new int[qkv.length][maxBlocks];
        for (int s = 0; s < tables.length; s++) {
            for (int j = 0; j < maxBlocks; j++) {
                tables[s][j] = s < sharers && j < sharedBlocks ? blocks.get(j) : blocks.get(s * maxBlocks + j);
            }
        }
        return tables;
    }

    private List<List<Piece>> steps(Schedule schedule) {
        int[] at = new int[qkv.length];
        for (int s = 1; s < sharers; s++) {
            at[s] = sharedRows();
        }
        List<List<Piece>> steps = new ArrayList<>();
        for (boolean more = true; more;) {
            List<Piece> step = new ArrayList<>();
            boolean prefixStands = at[0] >= sharedRows();
            for (int s = 0; s < qkv.length && (schedule.together() || step.isEmpty()); s++) {
                boolean waits = s > 0 && s < sharers && !prefixStands;
                if (at[s] < length(s) && !waits) {
                    int end = prefixStands || s >= sharers ? length(s) : sharedRows();
                    int chunk = Math.min(schedule.chunks()[s % schedule.chunks().length], end - at[s]);
                    step.add(new Piece(s, at[s], at[s] + chunk));
                    at[s] += chunk;
                }
            }
            more = !step.isEmpty();
            if (more) {
                steps.add(step);
            }
        }
        return steps;
    }

    private Tensor step(Tensor cache, Batch batch, int[][] tables, List<Piece> pieces, boolean grouped, Ops write,
            Ops attend) {
        int columns = Math.toIntExact(layer.heads().columns());
        int tokens = pieces.stream().mapToInt(piece -> piece.end() - piece.begin()).sum();
        int[] offsets = new int[pieces.size() + 1];
        int[] positions = new int[tokens];
        int[] groups = new int[pieces.size()];
        int[] shared = new int[pieces.size()];
        int[] table = new int[pieces.size() * tables[0].length];
        float[] rows = new float[tokens * columns];
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            int n = piece.end() - piece.begin();
            offsets[i + 1] = offsets[i] + n;
            for (int t = 0; t < n; t++) {
                positions[offsets[i] + t] = piece.begin() + t;
            }
            boolean member = grouped && piece.sequence() < sharers && piece.begin() >= sharedRows();
            groups[i] = member ? 1000 : i;
            shared[i] = member ? sharedBlocks : 0;
            System.arraycopy(tables[piece.sequence()], 0, table, i * tables[0].length, tables[0].length);
            System.arraycopy(qkv[piece.sequence()], piece.begin() * columns, rows, offsets[i] * columns, n * columns);
        }
        lab.context().write(batch.sequenceOffsets(), offsets);
        lab.context().write(batch.positions(), positions);
        lab.context().write(batch.blockTables(), table);
        lab.context().write(batch.prefixGroups(), groups);
        lab.context().write(batch.prefixBlocks(), shared);
        batch.use(tokens, pieces.size(), false);
        Tensor in = lab.data(layer.dtype(), rows, tokens, columns).tensor();
        Tensor y = lab.output(layer.dtype(), tokens, layer.heads().h() * layer.heads().e());
        write.kvCacheWrite(cache, in, batch, layer.heads());
        attend.attentionPaged(y, in, cache, batch, layer.heads());
        if (planned) {
            batch.planned(true);
            y = lab.output(layer.dtype(), tokens, layer.heads().h() * layer.heads().e());
            attend.attentionPaged(y, in, cache, batch, layer.heads());
        }
        return y;
    }
}
