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
 * The packed weights of a model on a CPU, one file for each rank. Loading with a cache packs the weights into a file
 * that is mapped; the next load only maps this file.
 *
 * <pre>
 *   header   JSON of everything on which the content depends, padded to whole pages
 *   content  the memory of the weights, as {@link Allocator.Block} places it
 * </pre>
 *
 * <p>A file with another header or another size is replaced: the model's files, the dtype, the instruction set, the
 * native library (whose packed layout it is) or the number of ranks have changed. The content has no checksum, because
 * reading it would take as long as packing: as for a safetensors file, changed bytes are not noticed.
 */
final class WeightsCache implements AutoCloseable {
    private static final int FORMAT = 1;

    private final ModelOptions options;
    private final Arena arena = Arena.ofShared();

    /** Reads and writes nothing if the options have no cache. */
    WeightsCache(ModelOptions options) {
        this.options = options;
    }

    /**
     * The weights of one rank.
     *
     * @param place creates weights with undefined content in the memory of an allocator
     * @param load  loads the weights into the memory of an allocator
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

    /** Removes the mappings. All contexts that read the weights must have been closed. */
    @Override
    public void close() {
        arena.close();
    }

    /** One name for each model, dtype, instruction set and rank, so that a stale file is replaced. */
    private static String name(Path model, SortedMap<String, String> values, Rank rank) {
        byte[] path = model.toAbsolutePath().normalize().toString().getBytes(StandardCharsets.UTF_8);
        String hash = HexFormat.of().formatHex(Digest.sha256().digest(path)).substring(0, 8);
        return model.toAbsolutePath().normalize().getFileName() + "-" + hash + "-" + values.get("dtype") + "-"
                + values.get("isa") + "-" + (rank.index() + 1) + "of" + rank.count() + ".weights";
    }

    /** Size, time of modification and hash of the files that define the weights. Of large files, parts are hashed. */
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
