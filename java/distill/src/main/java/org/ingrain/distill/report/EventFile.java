package org.ingrain.distill.report;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * Writes an event file of TensorBoard. The file has one TFRecord frame for each protobuf message of type Event. The
 * wall time of an event is set to its step number instead of the real time. So trainings with equal values write equal
 * bytes. As a consequence, TensorBoard's axis of relative time shows step numbers.
 */
final class EventFile {
    /** Name of the file. TensorBoard recognises the file by {@code tfevents} in its name. */
    static final String NAME = "events.out.tfevents.0.ingrain";

    private static final int VARINT = 0;
    private static final int FIXED_64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED_32 = 5;
    private static final int MASK = 0xa282ead8;

    private final OutputStream out;

    EventFile(OutputStream out) throws IOException {
        this.out = out;
        record(new Message().bytes(3, "brain.Event:2".getBytes(StandardCharsets.UTF_8)).bytes());
    }

    /** Writes one value of one step. */
    void scalar(int step, String tag, double value) throws IOException {
        Message scalar = new Message().bytes(1, tag.getBytes(StandardCharsets.UTF_8))
                .fixed32(2, Float.floatToRawIntBits((float) value));
        Message summary = new Message().bytes(1, scalar.bytes());
        record(new Message().fixed64(1, Double.doubleToRawLongBits(step)).varint(2, step).bytes(5, summary.bytes())
                .bytes());
    }

    private void record(byte[] data) throws IOException {
        byte[] length = little(8).putLong(data.length).array();
        out.write(length);
        out.write(little(4).putInt(masked(length)).array());
        out.write(data);
        out.write(little(4).putInt(masked(data)).array());
    }

    private static int masked(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        int value = (int) crc.getValue();
        return Integer.rotateRight(value, 15) + MASK;
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Builds a protobuf message. */
    private static final class Message {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Message varint(int field, long value) {
            number((long) field << 3 | VARINT);
            number(value);
            return this;
        }

        Message fixed64(int field, long bits) {
            number((long) field << 3 | FIXED_64);
            put(little(8).putLong(bits).array());
            return this;
        }

        Message fixed32(int field, int bits) {
            number((long) field << 3 | FIXED_32);
            put(little(4).putInt(bits).array());
            return this;
        }

        Message bytes(int field, byte[] value) {
            number((long) field << 3 | BYTES);
            number(value.length);
            put(value);
            return this;
        }

        byte[] bytes() {
            return bytes.toByteArray();
        }

        private void number(long value) {
            long rest = value;
            for (; (rest & ~0x7fL) != 0; rest >>>= 7) {
                bytes.write((int) (rest & 0x7f | 0x80));
            }
            bytes.write((int) rest);
        }

        private void put(byte[] value) {
            try {
                bytes.write(value);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
