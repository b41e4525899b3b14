package org.ingrain.sample.step;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.Graph;
import org.ingrain.tensor.BackendException;

/**
 * The captured graphs of decode steps, one for each {@link Key}. Batches are padded to a few fixed sizes, the buckets,
 * so that a few graphs are enough. The first step with a key runs op by op, which loads the kernels and selects their
 * algorithms. The second step with the key is captured. Later steps with the key replay the graph.
 */
final class DecodeGraphs implements AutoCloseable {
    /**
     * The properties of a step that select its graph.
     *
     * @param rows     batch size after padding
     * @param adapters whether rows may use adapters; this changes which kernels run
     */
    record Key(int rows, boolean adapters) {
    }

    /** A graph and the size of the workspace at the time of its capture. */
    private record Captured(Graph graph, long workspaceBytes) {
    }

    private final Context context;
    private final boolean available;
    private final Set<Key> warm = new HashSet<>();
    private final Map<Key, Captured> captured = new HashMap<>();
    private final Set<Key> uncapturable = new HashSet<>();
    private long replays;
    private long captures;
    private long eager;

    DecodeGraphs(Context context) {
        this.context = context;
        available = context.device().graphs();
    }

    /** Whether the backend supports graphs. Without graphs, batches need no padding. */
    boolean available() {
        return available;
    }

    /** Rounds a number of rows up to a bucket size. The result is at most {@code max}. */
    static int bucket(int rows, int max) {
        int bucket = 1;
        while (bucket < rows) {
            bucket += bucket < 4 ? bucket : bucket < 16 ? 4 : Math.max(8, Integer.highestOneBit(bucket / 3));
        }
        return Math.min(bucket, max);
    }

    /**
     * Runs the ops of a step, either one by one or as a graph. All steps with the same key must have the same ops. If
     * {@code key} is null, the ops are not captured.
     */
    void run(Key key, Runnable ops) {
        if (key == null || warm.add(key)) {
            eager++;
            ops.run();
            return;
        }
        Captured present = captured.get(key);
        if (present != null && present.workspaceBytes == context.workspaceBytes()) {
            replays++;
            present.graph.launch();
            return;
        }
        if (present != null) {
            present.graph.close();
        }
        captured.remove(key);
        Graph graph = uncapturable.contains(key) ? null : capture(key, ops);
        if (graph == null) {
            context.noteFallback("decode step of " + key.rows
                    + " rows: the device cannot create a graph, so the ops run one by one");
            eager++;
            ops.run();
            return;
        }
        captures++;
        captured.put(key, new Captured(graph, context.workspaceBytes()));
        graph.launch();
    }

    /**
     * Captures the ops as a graph. Returns null if the device cannot create the graph, for example because of
     * insufficient memory. In this case, all later steps with this key run op by op.
     */
    private Graph capture(Key key, Runnable ops) {
        context.beginGraph();
        try {
            ops.run();
        } catch (RuntimeException e) {
            context.abandonGraph(e);
            throw e;
        }
        try {
            return context.endGraph();
        } catch (BackendException e) {
            uncapturable.add(key);
            return null;
        }
    }

    /**
     * Discards the graphs that use adapters, because their ops depend on the loaded adapters. No step may be in flight.
     */
    void forgetAdapters() {
        warm.removeIf(Key::adapters);
        captured.forEach((key, present) -> {
            if (key.adapters) {
                present.graph.close();
            }
        });
        captured.keySet().removeIf(Key::adapters);
    }

    long replays() {
        return replays;
    }

    long captures() {
        return captures;
    }

    long eager() {
        return eager;
    }

    /** Destroys all graphs. No graph may be running. */
    @Override
    public void close() {
        captured.values().forEach(present -> present.graph.close());
        captured.clear();
    }
}
