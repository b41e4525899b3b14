package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/** Files that the user names as input. */
public final class InputFile {
    private InputFile() {
    }

    /**
     * A file that can be read several times. A pipe, such as {@code <(command)} of a shell, can be read only once: its
     * content is copied to a temporary file, which is deleted when the process ends. Any other path is returned as it
     * is; null is returned for null.
     */
    public static Path rereadable(Path path) {
        if (path == null || !Files.exists(path) || Files.isRegularFile(path) || Files.isDirectory(path)) {
            return path;
        }
        Path folder = TemporaryFolder.make("ingrain-input-").path();
        Path copy = folder.resolve(path.getFileName());
        folder.toFile().deleteOnExit();   // files are deleted in the reverse order
        copy.toFile().deleteOnExit();
        try {
            Files.copy(path.toRealPath(), copy);
        } catch (IOException e) {
            throw DurableFile.unreadable(path, e);
        }
        return copy;
    }

    /** Rejects a folder, and a pipe or a device, whose reading might never end. A missing file is not rejected. */
    public static void requireRegular(Path file) {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new InputException(file + ": is " + (Files.isDirectory(file) ? "a folder" : "a device or a pipe")
                    + ", expected a regular file");
        }
    }
}
