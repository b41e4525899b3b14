package org.ingrain.cli;

import java.nio.file.Path;
import org.ingrain.checkpoint.LoadedModel;

/** Says what a load takes, and how far it is where that lasts. */
final class LoadProgress implements LoadedModel.Listener {
    private static final long QUIET_NANOS = 2_000_000_000L;

    private final Path model;
    private final long start = System.nanoTime();
    private Progress progress;

    LoadProgress(Path model) {
        this.model = model;
    }

    @Override
    public void planned(String line) {
        System.err.println(model.getFileName() + ": " + line);
    }

    @Override
    public void loaded(int layers, int of) {
        if (progress == null && System.nanoTime() - start > QUIET_NANOS && layers < of) {
            progress = new Progress("load", "layers", layers, of);
        }
        if (progress != null) {
            progress.at(layers);
            if (layers == of) {
                progress.close();
            }
        }
    }
}
