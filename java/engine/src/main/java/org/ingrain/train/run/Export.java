package org.ingrain.train.run;

import java.nio.file.Path;

/** Writes the trained parameters as a folder that other programs can read. */
public interface Export {
    /** The name of the folder, inside the run's folder, that contains the result. */
    String name();

    /** Writes the current values into an empty folder. */
    void write(Path folder);

    /** Whether every checkpoint also contains this export. */
    boolean inCheckpoints();
}
