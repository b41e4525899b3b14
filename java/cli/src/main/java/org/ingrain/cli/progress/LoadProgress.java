package org.ingrain.cli.progress;

import java.nio.file.Path;
import java.util.Locale;
import java.util.SortedMap;
import org.ingrain.engine.Engine;
import org.ingrain.engine.MemoryPlan;

/** Prints the memory plan of a model that is loaded, the progress of a slow load, and warnings about slower kernels. */
public final class LoadProgress implements Engine.Listener {
    private static final long QUIET_NANOS = 2_000_000_000L;
    private static final int SHOWN = 8;

    private final Path model;
    private final long start = System.nanoTime();
    private ProgressDisplay progress;

    public LoadProgress(Path model) {
        this.model = model;
    }

    @Override
    public void placed(String line) {
        System.err.println(line);
    }

    @Override
    public void allLoaded(long bytes, double seconds) {
        if (seconds * 1e9 > QUIET_NANOS) {
            System.err.printf(Locale.ROOT, "loaded %.1f GB in %.1f s: %.2f GB/s%n", bytes / 1e9, seconds,
                    bytes / 1e9 / seconds);
        }
    }

    @Override
    public void planned(MemoryPlan plan) {
        System.err.println(model.getFileName() + ": " + plan.line());
    }

    @Override
    public void capped(String limit) {
        System.err.println(model.getFileName() + ": context capped at " + limit);
    }

    @Override
    public void loaded(int layers, int of) {
        if (progress == null && System.nanoTime() - start > QUIET_NANOS && layers < of) {
            progress = new ProgressDisplay("load", "layers", layers, of);
        }
        if (progress != null) {
            progress.at(layers);
            if (layers == of) {
                progress.close();
            }
        }
    }

    @Override
    public void fellBack(SortedMap<String, Long> calls) {
        calls.entrySet().stream().limit(SHOWN).forEach(one ->
                System.err.println("ingrain: warning: " + one.getKey() + " (" + one.getValue() + " such calls)"));
        if (calls.size() > SHOWN) {
            System.err.println("ingrain: warning: " + (calls.size() - SHOWN) + " more such ops or sizes");
        }
    }
}
