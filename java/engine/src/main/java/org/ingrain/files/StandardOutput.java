package org.ingrain.files;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The standard output of this process. Text is written in UTF-8 in every locale. If a write fails, {@link Failure} is
 * thrown; a plain {@link PrintStream} would only set a flag.
 */
public final class StandardOutput {
    private static final Path DESCRIPTOR = Path.of("/proc/self/fd/1");
    private static final int KIND = 0170000;
    private static final int PIPE = 0010000;
    private static final int SOCKET = 0140000;

    private StandardOutput() {
    }

    /** Thrown if a write to standard output fails. */
    public static final class Failure extends UncheckedIOException {
        private static final long serialVersionUID = 1;

        private final boolean closedByReader;

        private Failure(IOException cause, boolean closedByReader) {
            super("standard output: cannot be written: " + DurableFile.reason(cause), cause);
            this.closedByReader = closedByReader;
        }

        /**
         * Whether the write failed because the process that reads the pipe, such as {@code head}, has ended. Such a
         * failure is not an error.
         */
        public boolean closedByReader() {
            return closedByReader;
        }
    }

    /** Opens standard output. Each print is written immediately. */
    public static PrintStream open() {
        return to(new FileOutputStream(FileDescriptor.out));
    }

    static PrintStream to(OutputStream out) {
        return new PrintStream(new Checked(out), true, StandardCharsets.UTF_8);
    }

    /** A stream that throws {@link Failure}, because PrintStream would catch an IOException. */
    private static final class Checked extends OutputStream {
        private final OutputStream out;

        private Checked(OutputStream out) {
            this.out = out;
        }

        @Override
        public void write(int b) {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            try {
                out.write(bytes, from, length);
            } catch (IOException e) {
                throw new Failure(e, isPipe());
            }
        }
    }

    /**
     * Whether standard output is a pipe or a socket. A write to a pipe or a socket fails only if the other end is
     * closed.
     */
    private static boolean isPipe() {
        try {
            int kind = (Integer) Files.getAttribute(DESCRIPTOR, "unix:mode") & KIND;
            return kind == PIPE || kind == SOCKET;
        } catch (IOException e) {
            return false;
        }
    }
}
