package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/** A new folder in the system's temporary directory. Closing it deletes the folder recursively. */
public record TemporaryFolder(Path path) implements AutoCloseable {
    /** @throws InputException if the folder cannot be created */
    public static TemporaryFolder make(String prefix) {
        try {
            return new TemporaryFolder(Files.createTempDirectory(prefix));
        } catch (IOException e) {
            throw DurableFile.unwritable(Path.of(System.getProperty("java.io.tmpdir")), e);
        }
    }

    @Override
    public void close() {
        try {
            DurableFolder.delete(path);
        } catch (IOException e) {
            throw DurableFile.unwritable(path, e);
        }
    }
}
