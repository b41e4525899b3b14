package org.ingrain.distill.task.data;

import dev.hardwood.InputFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The bytes of a Parquet file. The total number of bytes that can be read is limited. Without this limit, the Parquet
 * reader would never stop reading if the header of a page claims more bytes than the file has.
 */
final class ParquetBytes implements InputFile {
    /** Limit on the mean number of times that a byte is read. */
    private static final int MOST_TIMES = 16;
    private static final long MORE = 8 << 20;
    /**
     * Each call counts as this number of bytes, in addition to the bytes that it reads. So the number of empty reads is
     * limited, too.
     */
    private static final int CALL = 256;

    private final InputFile file;
    private final AtomicLong read = new AtomicLong();

    ParquetBytes(Path path) {
        file = InputFile.of(path);
    }

    @Override
    public void open() throws IOException {
        file.open();
    }

    @Override
    public ByteBuffer readRange(long offset, int length) throws IOException {
        if (read.addAndGet(CALL + (long) length) > MOST_TIMES * file.length() + MORE) {
            throw new IOException("its pages claim more bytes than it has");
        }
        return file.readRange(offset, length);
    }

    @Override
    public long length() throws IOException {
        return file.length();
    }

    @Override
    public String name() {
        return file.name();
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
