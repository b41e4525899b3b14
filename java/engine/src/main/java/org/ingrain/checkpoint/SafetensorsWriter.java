package org.ingrain.checkpoint;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.DType;

/**
 * Writes safetensors files. Equal tensors yield equal files. Tensors are ordered as in the safetensors library, by type
 * (wider types first), then by name. Files are written atomically by {@link DurableFile}.
 */
public final class SafetensorsWriter {
    /** The default shard size of Hugging Face models, in bytes. */
    public static final long SHARD_BYTES = 5_000_000_000L;

    private static final int CHUNK = 8 << 20;
    private static final Map<String, String> PYTORCH = Map.of("format", "pt");
    private static final List<DType> ORDER = List.of(DType.I64, DType.F32, DType.I32, DType.BF16, DType.F16);
    private static final Comparator<TensorOutput> BY_TYPE_AND_NAME =
            Comparator.<TensorOutput>comparingInt(tensor -> ORDER.indexOf(tensor.dtype()))
            .thenComparing(TensorOutput::name);

    private SafetensorsWriter() {
    }

    /** Writes one file, with the metadata that transformers requires. */
    public static void write(Path file, List<TensorOutput> tensors) {
        write(file, tensors, PYTORCH);
    }

    /** Writes one file with this metadata. */
    public static void write(Path file, List<TensorOutput> tensors, Map<String, String> metadata) {
        List<TensorOutput> ordered = tensors.stream().sorted(BY_TYPE_AND_NAME).toList();
        byte[] header = header(ordered, metadata);
        DurableFile.writePieces(file, out -> {
            ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
            put(out, buffer.putLong(header.length).flip());
            put(out, ByteBuffer.wrap(header));
            for (TensorOutput tensor : ordered) {
                put(out, buffer, tensor);
            }
        });
    }

    /**
     * Writes a model into a folder. A model that fits into one shard is written as model.safetensors. A larger model is
     * split into shards in the order of {@code tensors}, and an index lists the file of each tensor.
     */
    public static void writeModel(Path folder, List<TensorOutput> tensors, long shardBytes) {
        List<List<TensorOutput>> shards = shards(tensors, shardBytes);
        if (shards.size() == 1) {
            write(folder.resolve(ModelFolder.SINGLE), tensors);
            return;
        }
        Map<String, String> weightMap = new TreeMap<>();
        for (int i = 0; i < shards.size(); i++) {
            String file = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
            write(folder.resolve(file), shards.get(i));
            shards.get(i).forEach(tensor -> weightMap.put(tensor.name(), file));
        }
        Map<String, Object> index = new LinkedHashMap<>();
        index.put("metadata", Map.of("total_size", tensors.stream().mapToLong(TensorOutput::bytes).sum()));
        index.put("weight_map", weightMap);
        DurableFile.write(folder.resolve(ModelFolder.INDEX), Json.config(index));
    }

    private static List<List<TensorOutput>> shards(List<TensorOutput> tensors, long shardBytes) {
        List<List<TensorOutput>> shards = new ArrayList<>(List.of(new ArrayList<>()));
        long filled = 0;
        for (TensorOutput tensor : tensors) {
            if (filled > 0 && filled + tensor.bytes() > shardBytes) {
                shards.add(new ArrayList<>());
                filled = 0;
            }
            shards.getLast().add(tensor);
            filled += tensor.bytes();
        }
        return shards;
    }

    private static byte[] header(List<TensorOutput> tensors, Map<String, String> metadata) {
        Map<String, Object> header = new LinkedHashMap<>();
        if (!metadata.isEmpty()) {
            header.put("__metadata__", new TreeMap<>(metadata));
        }
        long begin = 0;
        for (TensorOutput tensor : tensors) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("dtype", tensor.dtype().name());
            entry.put("shape", tensor.shape());
            entry.put("data_offsets", new long[] {begin, begin + tensor.bytes()});
            if (header.put(tensor.name(), entry) != null) {
                throw new IllegalArgumentException("tensor '" + tensor.name() + "' is given twice");
            }
            begin += tensor.bytes();
        }
        byte[] json = Json.line(header).getBytes(StandardCharsets.UTF_8);
        byte[] padded = new byte[(json.length + 7) / 8 * 8];
        Arrays.fill(padded, (byte) ' ');
        System.arraycopy(json, 0, padded, 0, json.length);
        return padded;
    }

    private static void put(WritableByteChannel out, ByteBuffer buffer, TensorOutput tensor) throws IOException {
        MemorySegment content = tensor.content().get();
        if (content.byteSize() != tensor.bytes()) {
            throw new IllegalStateException("tensor '" + tensor.name() + "' has " + content.byteSize()
                    + " bytes, expected " + tensor.bytes());
        }
        for (long done = 0; done < content.byteSize(); done += CHUNK) {
            int count = (int) Math.min(CHUNK, content.byteSize() - done);
            MemorySegment.copy(content, done, MemorySegment.ofBuffer(buffer.clear()), 0, count);
            put(out, buffer.limit(count));
        }
    }

    private static void put(WritableByteChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }
}
