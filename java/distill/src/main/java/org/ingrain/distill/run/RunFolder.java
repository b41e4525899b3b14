package org.ingrain.distill.run;

import java.nio.file.Path;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;

/** The folder of one run, new or resumed, with its log. One process at a time holds it. */
public final class RunFolder implements AutoCloseable {
    private final Path folder;
    private final RunLock lock;
    private final RunLog log;

    private RunFolder(Path folder, RunLock lock) {
        this.folder = folder;
        this.lock = lock;
        this.log = new RunLog(folder);
    }

    /** Creates or reopens the folder, as {@link RunLock#take} does. */
    public static RunFolder open(Path folder, Manifest manifest) {
        return new RunFolder(folder, RunLock.take(folder, manifest));
    }

    public Path path() {
        return folder;
    }

    /** The file {@code name} in this folder; the name may contain slashes. */
    public Path file(String name) {
        return folder.resolve(name);
    }

    public RunLog log() {
        return log;
    }

    @Override
    public void close() {
        lock.close();
    }
}
