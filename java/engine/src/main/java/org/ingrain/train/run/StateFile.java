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
import org.ingrain.files.DurableFile;
import org.ingrain.tensor.InputException;
import org.ingrain.train.pass.TrainedState;
import org.ingrain.train.pass.TrainedState.Copy;
import org.ingrain.train.pass.TrainedState.Run;

/** Reads and writes state.bin, which contains the f32 elements of a state in native byte order, without a header. */
final class StateFile {
    private static final long SLAB_BYTES = 16L << 20;

    private StateFile() {
    }

    static void write(Path file, TrainedState state) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment slab = arena.allocate(SLAB_BYTES, 64);
            DurableFile.writePieces(file, out -> {
                for (Run part : slabs(state)) {
                    MemorySegment host = slab.asSlice(0, part.elements() * Float.BYTES);
                    if (part.copies().isEmpty()) {
                        host.fill((byte) 0);
                    } else {
                        Copy first = part.copies().getFirst();
                        first.context().copyToHost(host, first.tensor());
                    }
                    ByteBuffer bytes = host.asByteBuffer();
                    while (bytes.hasRemaining()) {
                        out.write(bytes);
                    }
                }
            });
        }
    }

    static void read(Path file, TrainedState state) {
        long expected = state.runs().stream().mapToLong(run -> run.elements() * Float.BYTES).sum();
        try (Arena arena = Arena.ofConfined(); FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (Files.size(file) != expected) {
                throw new InputException(file + ": has " + Files.size(file) + " bytes, expected " + expected);
            }
            MemorySegment slab = arena.allocate(SLAB_BYTES, 64);
            for (Run part : slabs(state)) {
                MemorySegment host = slab.asSlice(0, part.elements() * Float.BYTES);
                ByteBuffer bytes = host.asByteBuffer();
                while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
                    // A read may return fewer bytes than requested.
                }
                for (Copy copy : part.copies()) {
                    copy.context().copyToDevice(copy.tensor(), host);
                    copy.context().synchronize();
                }
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    private static List<Run> slabs(TrainedState state) {
        return state.runs().stream().<Run>mapMulti((run, parts) -> {
            long step = SLAB_BYTES / Float.BYTES;
            for (long begin = 0; begin < run.elements(); begin += step) {
                long from = begin;
                long n = Math.min(step, run.elements() - begin);
                parts.accept(new Run(n, run.copies().stream()
                        .map(copy -> new Copy(copy.context(), copy.tensor().slice(from, n))).toList()));
            }
        }).toList();
    }
}
