package org.ingrain.files;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.ingrain.tensor.InputException;

/** Files that the user names as input. */
public final class InputFile {
    private static final int KIND = 0170000;
    private static final int PIPE = 0010000;
    private static final int GZIP = 0x1f8b;

    private InputFile() {
    }

    /**
     * Returns a file that can be read several times. A pipe, such as a shell's {@code <(command)}, can be read only
     * once. The content of a pipe is therefore copied to a temporary file, which is deleted when the process ends. Any
     * other path, or null, is returned unchanged.
     *
     * @throws InputException if the pipe cannot be read, or if its content is larger than half of Java's heap
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

    /** Opens a file. If the file is gzipped, the stream yields the unpacked content. */
    public static InputStream unpacked(Path file) throws IOException {
        BufferedInputStream in = new BufferedInputStream(Files.newInputStream(file));
        in.mark(2);
        int magic = in.read() << 8 | in.read();
        in.reset();
        return magic == GZIP ? new GZIPInputStream(in) : in;
    }

    /**
     * Returns the file {@code name} in {@code folder}. The name was read from another file.
     *
     * @param where file and field from which the name was read, for the error message
     * @throws InputException if the name is not a plain file name, for example because the name contains a slash
     */
    public static Path inFolder(Path folder, String name, String where) {
        boolean plain = !name.isEmpty() && name.indexOf('/') < 0 && !name.equals(".") && !name.equals("..");
        try {
            if (plain) {
                return folder.resolve(name);
            }
        } catch (InvalidPathException e) {
            // The name contains a null character or is invalid Unicode.
        }
        throw new InputException(where + ": '" + name + "', expected the name of a file in " + folder);
    }

    static Path copy(Path path, InputStream in, long most) throws IOException {
        Path folder = TemporaryFolder.make("ingrain-input-").path();
        Path copy = folder.resolve(path.getFileName());
        folder.toFile().deleteOnExit();   // Java deletes in the reverse order of these calls
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

    /**
     * Rejects folders, pipes and devices. Reading a pipe or a device might never end. A missing file is not rejected.
     */
    public static void requireRegular(Path file) {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new InputException(file + ": is " + (Files.isDirectory(file) ? "a folder" : "a device or a pipe")
                    + ", expected a regular file");
        }
    }
}
