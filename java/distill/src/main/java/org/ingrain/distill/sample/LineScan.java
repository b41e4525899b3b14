package org.ingrain.distill.sample;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;

/** Reads the whole lines of a file and where they lie; a last line without an end is left out. */
final class LineScan {
    private final FileChannel channel;

    LineScan(FileChannel channel) {
        this.channel = channel;
    }

    /** Takes a line, without its end; {@code false} ends the scan before it. */
    interface Line {
        boolean take(int number, long offset, byte[] bytes, boolean last) throws IOException;
    }

    /** Hands over each line and returns where the taken ones end, in bytes. */
    long forEach(Line each) throws IOException {
        long size = channel.size();
        // Not closed: that would close the channel.
        InputStream in = new BufferedInputStream(Channels.newInputStream(channel.position(0)), 1 << 16);
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        long start = 0;
        int number = 0;
        for (int b = in.read(); b >= 0; b = in.read()) {
            if (b != '\n') {
                line.write(b);
                continue;
            }
            number++;
            long next = start + line.size() + 1;
            if (!each.take(number, start, line.toByteArray(), next == size)) {
                return start;
            }
            line.reset();
            start = next;
        }
        return start;
    }
}
