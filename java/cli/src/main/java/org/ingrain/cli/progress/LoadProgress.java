package org.ingrain.cli.progress;

import java.nio.file.Path;
import org.ingrain.engine.LoadedModel;

/** Says what a load takes, and how far it is where that lasts. */
public final class LoadProgress implements LoadedModel.Listener {
    private static final long QUIET_NANOS = 2_000_000_000L;

    private final Path model;
    private final long start = System.nanoTime();
    private ProgressDisplay progress;

    public LoadProgress(Path model) {
        this.model = model;
    }

    @Override
    public void planned(String line) {
        System.err.println(model.getFileName() + ": " + line);
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
}
