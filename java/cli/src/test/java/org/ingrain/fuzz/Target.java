package org.ingrain.fuzz;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/**
 * A reader under test. The reader may accept a file or refuse it with an InputException. Any other exception is a
 * fault.
 *
 * @param name   name of the target on the command line, and of the folder with the inputs kept for it
 * @param format format of the files, which determines the edits
 * @param seeds  complete files: at least one, and most of them valid
 */
record Target(String name, Format format, List<byte[]> seeds, Reader reader) {
    /** First byte of an input that describes edits of a seed. No UTF-8 text contains it. Other inputs are files. */
    static final byte EDITS = (byte) 0xFF;

    /** Reads a file. */
    interface Reader {
        void read(byte[] file) throws Exception;
    }

    /** A fault. The message names the target and the file; the cause is the exception of the reader. */
    static final class Fault extends AssertionError {
        private static final int MOST_BYTES = 2000;

        Fault(Target target, byte[] file, Throwable thrown) {
            super(target.name() + ", " + file.length + " bytes "
                    + HexFormat.of().formatHex(file, 0, Math.min(file.length, MOST_BYTES)), thrown);
        }
    }

    /**
     * Reads a file. Returns whether the reader accepts it.
     *
     * @throws Fault if the reader throws anything but an InputException with a message
     */
    boolean accepts(byte[] file) {
        try {
            reader.read(file);
            return true;
        } catch (InputException refused) {
            if (refused.getMessage() == null || refused.getMessage().isBlank()) {
                throw new Fault(this, file, refused);
            }
            return false;
        } catch (Exception | Error thrown) {
            throw new Fault(this, file, thrown);
        }
    }

    /** A target whose files are written to a path before they are read. */
    static Target ofFile(String name, Format format, List<byte[]> seeds, Path file, Reader reader) {
        return new Target(name, format, seeds, content -> {
            Files.write(file, content);
            reader.read(content);
        });
    }

    /** Returns the file that an input of the fuzzer describes. */
    byte[] file(byte[] input) {
        if (input.length == 0 || input[0] != EDITS) {
            return input;
        }
        Cursor edits = new Cursor(input, 1);
        byte[] seed = seeds.get(edits.below(seeds.size()));
        int kind = edits.below(8);
        byte[] edited = kind == 0 ? seed : format.edit(seed, edits);
        return kind == 0 && !edits.ended() || kind == 1 ? ByteEdits.edit(edited, edits) : edited;
    }

    /** The inputs that a fuzzer starts with: each seed, unchanged and with edits. */
    List<byte[]> corpus() {
        return IntStream.range(0, seeds.size()).mapToObj(seed -> (byte) seed).flatMap(seed -> Stream.of(
                new byte[] {EDITS, seed}, new byte[] {EDITS, seed, 2, 0, 1, 1, 3},
                Arrays.copyOf(new byte[] {EDITS, seed, 1}, 12))).toList();
    }
}
