package org.ingrain.ops;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.zip.CRC32;

/**
 * The source of a check's expected values. The system property {@code ingrain.references} selects the source. If the
 * property is not set, libtorch computes the values. With {@code record:FOLDER}, libtorch computes the values and they
 * are recorded. With {@code replay:FOLDER}, the values are read from the record. Machines without libtorch use this
 * mode.
 *
 * <p>A check draws its inputs from a fixed seed, so only results are recorded: one file per check, with the results in
 * the order of the calls of {@link #get}. In the file, each result is preceded by a CRC-32 of all float inputs that
 * were created before this result. Replay fails if the inputs differ. If an array has more than {@link #WHOLE}
 * elements, only some elements are recorded: elements at a fixed distance, the last {@link #END} elements and the
 * largest element. A replay sets the other elements to {@link Floats#UNKNOWN}, which matches any value.
 */
final class References implements AutoCloseable {
    private static final int WHOLE = 2048;
    private static final int END = 256;

    private final String check;
    private final Path file;
    private final boolean replays;
    private final CRC32 inputs = new CRC32();
    private final ByteArrayOutputStream recorded = new ByteArrayOutputStream();
    private DataInputStream replay;
    private int index;

    private References(String check, Path file, boolean replays) {
        this.check = check;
        this.file = file;
        this.replays = replays;
    }

    /** Opens the references of a check. */
    static References of(String check) {
        String property = System.getProperty("ingrain.references", "");
        if (property.isEmpty()) {
            return new References(check, null, false);
        }
        String[] parts = property.split(":", 2);
        if (parts.length < 2 || !parts[0].equals("record") && !parts[0].equals("replay")) {
            throw new IllegalArgumentException("-Dingrain.references: found '" + property
                    + "', expected record:FOLDER or replay:FOLDER");
        }
        return new References(check, Path.of(parts[1]).resolve(fileName(check)), parts[0].equals("replay"));
    }

    private static String fileName(String check) {
        return check.replaceAll("[^A-Za-z0-9]+", "_") + "_" + Integer.toHexString(check.hashCode());
    }

    /**
     * Adds the bytes of an input to the CRC-32. Call it before the {@link #get} of any result that depends on the
     * input.
     */
    void saw(byte[] input) {
        inputs.update(input);
    }

    /** Computes the next result with libtorch, or reads it from the record. */
    <R> R get(java.util.function.Function<Torch, R> compute) {
        index++;
        if (replays) {
            return replayed();
        }
        try (Torch torch = new Torch()) {
            R result = compute.apply(torch);
            if (file != null) {
                record(result);
            }
            return result;
        }
    }

    private void record(Object result) {
        try (DataOutputStream out = new DataOutputStream(recorded)) {
            out.writeInt((int) inputs.getValue());
            switch (result) {
                case float[] values -> write(out, 'f', values);
                case float[][] arrays -> write(out, 'a', arrays);
                case long[] values -> write(out, values);
                default -> throw new IllegalArgumentException(
                        check + ": a reference is float[], float[][] or long[], not " + result.getClass());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void write(DataOutputStream out, char kind, float[]... arrays) throws IOException {
        out.writeByte(kind);
        out.writeInt(arrays.length);
        for (float[] values : arrays) {
            int largest = largest(values);
            out.writeInt(values.length);
            out.writeInt(largest);
            for (int i = 0; i < values.length; i++) {
                if (kept(i, values.length, largest)) {
                    out.writeFloat(values[i]);
                }
            }
        }
    }

    private static int largest(float[] values) {
        int largest = 0;
        for (int i = 0; i < values.length; i++) {
            largest = Math.abs(values[i]) > Math.abs(values[largest]) ? i : largest;
        }
        return largest;
    }

    /** The distance is odd. So in a matrix of even width, different columns are recorded in different rows. */
    private static boolean kept(int i, int length, int largest) {
        int distance = length <= WHOLE ? 1 : Math.max(3, length / WHOLE | 1);
        return i % distance == 0 || i == largest || i >= length - END;
    }

    private static void write(DataOutputStream out, long[] values) throws IOException {
        out.writeByte('l');
        out.writeInt(values.length);
        for (long value : values) {
            out.writeLong(value);
        }
    }

    @SuppressWarnings("unchecked")
    private <R> R replayed() {
        String what = "reference " + index + " of " + check;
        if (!Files.exists(file)) {
            throw new AssertionError(what + ": no record " + file);
        }
        try {
            if (replay == null) {
                replay = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)));
            }
            if (replay.readInt() != (int) inputs.getValue()) {
                throw new AssertionError(what + ": recorded for other inputs");
            }
            char kind = (char) replay.readByte();
            return (R) switch (kind) {
                case 'f' -> floats()[0];
                case 'a' -> floats();
                default -> longs();
            };
        } catch (EOFException e) {
            throw new AssertionError(what + ": only " + (index - 1) + " are recorded", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private float[][] floats() throws IOException {
        float[][] arrays = new float[replay.readInt()][];
        for (int i = 0; i < arrays.length; i++) {
            arrays[i] = new float[replay.readInt()];
            int largest = replay.readInt();
            for (int j = 0; j < arrays[i].length; j++) {
                arrays[i][j] = kept(j, arrays[i].length, largest) ? replay.readFloat() : Floats.UNKNOWN;
            }
        }
        return arrays;
    }

    private long[] longs() throws IOException {
        long[] values = new long[replay.readInt()];
        for (int i = 0; i < values.length; i++) {
            values[i] = replay.readLong();
        }
        return values;
    }

    /**
     * Writes the record atomically. Keeps the existing record, which another target or an earlier run wrote, if it is
     * at least as long.
     */
    @Override
    public void close() {
        try {
            if (replay != null) {
                replay.close();
            }
            if (recorded.size() > 0 && (!Files.exists(file) || Files.size(file) < recorded.size())) {
                Files.createDirectories(file.getParent());
                Path part = Files.createTempFile(file.getParent(), "part", null);
                try (var out = new BufferedOutputStream(Files.newOutputStream(part))) {
                    recorded.writeTo(out);
                }
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
