package org.ingrain.train.run;

import java.nio.file.Path;

/** The form in which what was trained leaves the run. */
public interface Export {
    /** The folder's name in the run's folder. */
    String name();

    /** Writes the present values into an empty folder. */
    void write(Path folder);

    /** Whether every checkpoint contains this export too. */
    boolean inCheckpoints();
}
