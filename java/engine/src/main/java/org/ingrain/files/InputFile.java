package org.ingrain.files;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;

/** Files that the user names as input. */
public final class InputFile {
    private static final int KIND = 0170000;
    private static final int PIPE = 0010000;

    private InputFile() {
    }

    /**
     * A file that can be read several times. A pipe, such as {@code <(command)} of a shell, can be read only once: its
     * content is copied to a temporary file, which is deleted when the process ends. Any other path is returned as it
     * is; null is returned for null.
     *
     * @throws InputException if the pipe cannot be read or has more bytes than half of Java's heap
     */
    public static Path rereadable(Path path) {
        if (path == null || !Files.exists(path)) {
            return path;
        }
        try (InputStream in = isPipe(path) ? Files.newInputStream(path) : null) {
            return in == null ? path : copy(path, in, Runtime.getRuntime().maxMemory() / 2);
        } catch (IOException e) {
            throw DurableFile.unreadable(path, e);
        }
    }

    private static boolean isPipe(Path path) throws IOException {
        return ((Integer) Files.getAttribute(path, "unix:mode") & KIND) == PIPE;
    }

    static Path copy(Path path, InputStream in, long most) throws IOException {
        Path folder = TemporaryFolder.make("ingrain-input-").path();
        Path copy = folder.resolve(path.getFileName());
        folder.toFile().deleteOnExit();   // files are deleted in the reverse order
        copy.toFile().deleteOnExit();
        try (OutputStream out = Files.newOutputStream(copy)) {
            byte[] part = new byte[1 << 16];
            long bytes = 0;
            for (int n = in.read(part); n >= 0; n = in.read(part)) {
                bytes += n;
                if (bytes > most) {
                    throw new InputException(path + ": has more than " + most
                            + " bytes, expected at most half of Java's heap from a pipe");
                }
                out.write(part, 0, n);
            }
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
