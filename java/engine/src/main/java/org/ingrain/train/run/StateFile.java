package org.ingrain.train.run;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.ingrain.ffi.Context;
import org.ingrain.files.DurableFile;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;

/** Flat tensors in a file, their bytes one after another; for the same run to read again, so without names or types. */
public final class StateFile {
    private static final long SLAB_BYTES = 16L << 20;

    private final Context context;

    public StateFile(Context context) {
        this.context = context;
    }

    void write(Path file, List<Tensor> tensors) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment slab = arena.allocate(SLAB_BYTES, 64);
            DurableFile.writePieces(file, out -> {
                for (Tensor part : slabs(tensors)) {
                    MemorySegment host = slab.asSlice(0, part.bytes());
                    context.copyToHost(host, part);
                    ByteBuffer bytes = host.asByteBuffer();
                    while (bytes.hasRemaining()) {
                        out.write(bytes);
                    }
                }
            });
        }
    }

    void read(Path file, List<Tensor> tensors) {
        long expected = tensors.stream().mapToLong(Tensor::bytes).sum();
        try (Arena arena = Arena.ofConfined(); FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (Files.size(file) != expected) {
                throw new InputException(file + ": has " + Files.size(file) + " bytes, expected " + expected);
            }
            MemorySegment slab = arena.allocate(SLAB_BYTES, 64);
            for (Tensor part : slabs(tensors)) {
                MemorySegment host = slab.asSlice(0, part.bytes());
                ByteBuffer bytes = host.asByteBuffer();
                while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
                    // A channel may give less than was asked.
                }
                context.copyToDevice(part, host);
                context.synchronize();
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    private static List<Tensor> slabs(List<Tensor> tensors) {
        return tensors.stream().<Tensor>mapMulti((tensor, parts) -> {
            long step = SLAB_BYTES / tensor.dtype().bytes();
            for (long begin = 0; begin < tensor.elements(); begin += step) {
                parts.accept(tensor.slice(begin, Math.min(step, tensor.elements() - begin)));
            }
        }).toList();
    }
}
