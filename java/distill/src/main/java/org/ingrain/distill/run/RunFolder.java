package org.ingrain.distill.run;

import java.nio.file.Path;
import org.ingrain.files.FileDigests;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;

/** The folder of a new or resumed run, with the log of the run. At most one process can have a run folder open. */
public final class RunFolder implements AutoCloseable {
    private final Path folder;
    private final RunLock lock;
    private final RunLog log;
    private final FileDigests digests;
    private final FinishedStages stages;

    private RunFolder(Path folder, RunLock lock) {
        this.folder = folder;
        this.lock = lock;
        this.log = new RunLog(folder);
        digests = FileDigests.open(folder);
        stages = FinishedStages.open(folder);
    }

    /** Creates or reopens the folder and locks it. This method throws the same errors as {@link RunLock#take}. */
    public static RunFolder open(Path folder, Manifest manifest) {
        RunLock lock = RunLock.take(folder, manifest);
        try {
            return new RunFolder(folder, lock);
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    public Path path() {
        return folder;
    }

    /** The file {@code name} in this folder; the name may contain slashes. */
    public Path file(String name) {
        return folder.resolve(name);
    }

    /** The digests of the files that finished stages have written. */
    public FileDigests digests() {
        return digests;
    }

    /** The finished stages and what they depend on. */
    public FinishedStages stages() {
        return stages;
    }

    public RunLog log() {
        return log;
    }

    @Override
    public void close() {
        lock.close();
    }
}
