package org.ingrain.train.run;

import java.nio.file.Path;

/** Writes the trained parameters as a folder that other programs can read. */
public interface Export {
    /** The name of the result's folder in the run's folder. */
    String name();

    /** Writes the current values into an empty folder. */
    void write(Path folder);

    /** Whether every checkpoint also contains this export. */
    boolean inCheckpoints();
}
