package org.ingrain.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.ingrain.files.InputFile;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Blueprint;
import org.ingrain.model.WeightSource;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;

/**
 * A Hugging Face model folder. The configuration is in config.json. The weights are in model.safetensors, or in the
 * shards that are listed in model.safetensors.index.json. Opening a folder checks the configuration and every header.
 * If a field or tensor is invalid, opening throws an InputException that names the file and the field or tensor.
 */
public final class ModelFolder implements WeightSource, AutoCloseable {
    static final String SINGLE = "model.safetensors";
    private static final List<String> FLOATS = List.of("F64", "F32", "BF16", "F16");
    static final String INDEX = "model.safetensors.index.json";

    private final Path path;
    private final Blueprint config;
    private final Map<String, Safetensors> shards = new LinkedHashMap<>();
    private final Map<String, Safetensors> tensors = new LinkedHashMap<>();
    private final Set<String> floats = new LinkedHashSet<>();

    private ModelFolder(Path path, Blueprint config) {
        this.path = path;
        this.config = config;
    }

    public static ModelFolder open(Path path) {
        ModelFolder folder = new ModelFolder(path, readConfig(path));
        try {
            if (Files.exists(path.resolve(SINGLE))) {
                folder.openSingle();
            } else if (Files.exists(path.resolve(INDEX))) {
                folder.openShards();
            } else {
                throw new InputException(path + ": has no " + SINGLE + " and no " + INDEX
                        + " (other weight formats are not read)");
            }
            return folder.reading(() -> {
                folder.requireTied();
                return folder;
            });
        } catch (RuntimeException refused) {
            folder.close();
            throw refused;
        }
    }

    /** Reads only the configuration. The folder need not contain weights. */
    public static Blueprint readConfig(Path path) {
        if (!Files.isDirectory(path)) {
            throw new InputException(path + ": " + (Files.exists(path) ? "not a folder" : "no such folder"));
        }
        Path file = path.resolve("config.json");
        if (!Files.exists(file)) {
            throw new InputException(path + ": has no config.json, so it is not a model folder");
        }
        return BlueprintReader.read(file);
    }

    public Path path() {
        return path;
    }

    public Blueprint config() {
        return config;
    }

    /** The path of a file in the folder; empty if the file does not exist. */
    public Optional<Path> file(String name) {
        return Optional.of(path.resolve(name)).filter(Files::isRegularFile);
    }

    /** The names of all floating-point tensors. The model does not use other tensors. */
    public Set<String> names() {
        return Collections.unmodifiableSet(floats);
    }

    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    public TensorInfo info(String name) {
        return holder(name).info(name);
    }

    /**
     * A weight as F32, BF16 or F16. An F64 tensor is converted to F32. The elements are little-endian, may be
     * unaligned, and are valid until this folder is closed.
     */
    @Override
    public HostTensor tensor(String name) {
        return HostFloats.tensor(holder(name), name);
    }

    /**
     * Runs work that reads tensors of this folder.
     *
     * @throws InputException if a file was truncated while {@code work} was running, or if bytes of a file cannot be
     *         read; the message names the file
     */
    public <R> R reading(Supplier<R> work) {
        return Safetensors.reading(shards.values(), work);
    }

    /**
     * Throws an InputException if the config ties the head to the embedding but the folder stores a different head. For
     * such a model, transformers 5 uses the stored head, but transformers 4 uses the embedding.
     */
    private void requireTied() {
        String embedding = "model.embed_tokens.weight";
        String head = "lm_head.weight";
        if (config.tieWordEmbeddings() && has(head) && has(embedding)
                && holder(head).data(head).mismatch(holder(embedding).data(embedding)) >= 0) {
            throw new InputException(holder(head).file() + ": tensor '" + head + "' differs from '" + embedding
                    + "', expected the same values, since tie_word_embeddings is true in config.json");
        }
    }

    @Override
    public void close() {
        shards.values().forEach(Safetensors::close);
        shards.clear();
        tensors.clear();
    }

    private Safetensors holder(String name) {
        Safetensors holder = tensors.get(name);
        if (holder == null) {
            Path searched = shards.containsKey(SINGLE) ? path.resolve(SINGLE) : path.resolve(INDEX);
            throw new InputException(searched + ": tensor '" + name + "' is missing");
        }
        return holder;
    }

    private void put(String name, Safetensors file) {
        tensors.put(name, file);
        if (FLOATS.contains(file.info(name).type())) {
            floats.add(name);
        }
    }

    private void openSingle() {
        Safetensors single = Safetensors.open(path.resolve(SINGLE));
        shards.put(SINGLE, single);
        single.names().forEach(name -> put(name, single));
    }

    private void openShards() {
        Path index = path.resolve(INDEX);
        JsonFields weightMap = JsonFields.read(index).object("weight_map");
        Map<String, Path> files = new TreeMap<>();
        for (String name : weightMap.names()) {
            String file = weightMap.text(name);
            files.put(file, InputFile.inFolder(path, file, index + ": weight_map: " + name));
        }
        Map<String, String> found = new HashMap<>();
        files.forEach((file, at) -> {
            if (!Files.isRegularFile(at)) {
                throw new InputException(index + ": shard " + file + " is missing from the folder");
            }
            Safetensors shard = Safetensors.open(at);
            shards.put(file, shard);
            for (String name : shard.names()) {
                String other = found.put(name, file);
                if (other != null) {
                    throw new InputException(at + ": tensor '" + name + "' is also in " + other);
                }
            }
        });
        for (String name : weightMap.names()) {
            Safetensors shard = shards.get(weightMap.text(name));
            shard.info(name);
            put(name, shard);
        }
    }
}
