package org.ingrain.sample.step;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.Graph;
import org.ingrain.tensor.BackendException;

/**
 * The decode steps that have been captured, one for each size of batch. A batch is filled up to the next bucket, so that there are few
 * sizes. The first step of a size runs op by op, which loads its kernels and settles their algorithms; the second is captured; from
 * then on it is replayed.
 */
final class DecodeGraphs implements AutoCloseable {
    /**
     * What a graph depends on beside the generator it belongs to.
     *
     * @param rows     of the batch
     * @param adapters whether rows may carry adapters: with them other kernels run
     */
    record Key(int rows, boolean adapters) {
    }

    /** A graph, and the workspace that its kernels use. */
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

    /** Whether the backend has graphs: without them no batch need be filled up. */
    boolean available() {
        return available;
    }

    /** The size of batch that holds this many rows, at most max. */
    static int bucket(int rows, int max) {
        int bucket = 1;
        while (bucket < rows) {
            bucket += bucket < 4 ? bucket : bucket < 16 ? 4 : Math.max(8, Integer.highestOneBit(bucket / 3));
        }
        return Math.min(bucket, max);
    }

    /** Enqueues ops that are the same for every step of this key; a null key: ops that are like no others. */
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
            context.noteFallback("decode step of " + key.rows + " rows: the device has no graph for it, its ops run one by one");
            eager++;
            ops.run();
            return;
        }
        captures++;
        captured.put(key, new Captured(graph, context.workspaceBytes()));
        graph.launch();
    }

    /** The ops as a graph, or null where the device cannot make one of them (no memory for it): from then on they run one by one. */
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

    /** Adapters have changed, and with them which ops their steps are made of. No step is in flight. */
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

    /** None of them may be running. */
    @Override
    public void close() {
        captured.values().forEach(present -> present.graph.close());
        captured.clear();
    }
}
