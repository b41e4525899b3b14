package org.ingrain.engine;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.DurableMapping;
import org.ingrain.files.Json;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;

/**
 * The packed weights of a model on a CPU, one file for each rank. The first load packs the weights into a mapped file.
 * Later loads only map this file.
 *
 * <pre>
 *   header   JSON with all values on which the content depends, padded to whole pages
 *   content  the packed weights, in the layout of {@link Allocator.Block}
 * </pre>
 *
 * <p>A file with another header or another size is replaced. The header contains the model's files, the dtype, the
 * instruction set, the native library (which determines the packed layout) and the number of ranks. The content has no
 * checksum, because a check would take as long as packing. So changed bytes are not detected, as in safetensors files.
 */
final class WeightsCache implements AutoCloseable {
    private static final int FORMAT = 1;

    private final ModelOptions options;
    private final Arena arena = Arena.ofShared();

    /** Creates a cache. If the options have no cache folder, this object neither reads nor writes files. */
    WeightsCache(ModelOptions options) {
        this.options = options;
    }

    /**
     * The weights of one rank.
     *
     * @param place creates weights with undefined content; an allocator provides their memory
     * @param load  creates weights and loads their content; an allocator provides their memory
     */
    Weights weights(Context context, Function<Allocator, Weights> place, Function<Allocator, Weights> load) {
        if (options.weights().cache().isEmpty()) {
            return load.apply(context);
        }
        long bytes = Allocator.Block.bytes(context, place::apply);
        Weights empty = place.apply(new Allocator.Counter(context));
        SortedMap<String, String> values = new TreeMap<>(Fingerprint.of(options, context.backend(), context));
        values.remove("cache dtype");
        values.remove("enable thinking");
        values.put("format", FORMAT + "");
        values.put("weights", empty.precision().weights() + " " + empty.precision().activations());
        values.put("rank", empty.rank().index() + " of " + empty.rank().count());
        values.put("bytes", bytes + "");
        files(options.model()).forEach((file, state) -> values.put("file " + file, state));
        byte[] header = Json.line(values).getBytes(StandardCharsets.UTF_8);
        Path file = options.weights().cache().get().resolve(name(options.model(), values, empty.rank()));
        Optional<MemorySegment> kept = DurableMapping.open(file, header, bytes, arena);
        return kept.isPresent() ? place.apply(new Allocator.Block(context, kept.get()))
                : DurableMapping.write(file, header, bytes, arena,
                        content -> load.apply(new Allocator.Block(context, content)));
    }

    /** Unmaps the files. All contexts that read the weights must already be closed. */
    @Override
    public void close() {
        arena.close();
    }

    /** A name that depends only on the model's path, dtype, instruction set and rank, so a stale file is replaced. */
    private static String name(Path model, SortedMap<String, String> values, Rank rank) {
        byte[] path = model.toAbsolutePath().normalize().toString().getBytes(StandardCharsets.UTF_8);
        String hash = HexFormat.of().formatHex(Digest.sha256().digest(path)).substring(0, 8);
        return model.toAbsolutePath().normalize().getFileName() + "-" + hash + "-" + values.get("dtype") + "-"
                + values.get("isa") + "-" + (rank.index() + 1) + "of" + rank.count() + ".weights";
    }

    /** Size, modification time and hash of each file that defines the weights. A large file is hashed only in parts. */
    private static SortedMap<String, String> files(Path model) {
        SortedMap<String, String> files = new TreeMap<>();
        try {
            for (Path file : DurableFolder.list(model)) {
                String name = file.getFileName().toString();
                if (name.endsWith(".safetensors") || name.endsWith(".safetensors.index.json")
                        || name.equals("config.json") || name.equals("quantize_config.json")) {
                    files.put(name, Files.size(file) + " " + Files.getLastModifiedTime(file) + " " + Digest.file(file));
                }
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(model, e);
        }
        return files;
    }
}
