package org.ingrain.checkpoint;

import java.lang.foreign.MemorySegment;
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
import org.ingrain.model.Group;
import org.ingrain.model.Group.Role;
import org.ingrain.model.Parameter;
import org.ingrain.model.Precision;
import org.ingrain.model.QuantizedMatrix;
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
    private static final String EMBEDDING = "model.embed_tokens.weight";

    private final Path path;
    private final Blueprint config;
    /** Empty if all weights are floats. */
    private final Optional<Quantization> quantization;
    private final Map<String, Safetensors> shards = new LinkedHashMap<>();
    private final Map<String, Safetensors> tensors = new LinkedHashMap<>();
    private final Set<String> floats = new LinkedHashSet<>();

    private ModelFolder(Path path) {
        this.path = path;
        config = readConfig(path);
        quantization = Quantization.read(path);
    }

    public static ModelFolder open(Path path) {
        ModelFolder folder = new ModelFolder(path);
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

    /** The names of all floating-point tensors. A model with float weights does not use other tensors. */
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

    /** The types of the stored weights. */
    public Precision.Stored stored() {
        return new Precision.Stored(tensor(EMBEDDING).dtype(), quantization.map(Quantization::format).orElse(null));
    }

    /**
     * Throws an InputException if the layers' matrices are quantized.
     *
     * @param purpose purpose that requires float weights, such as {@code "to train all weights"}
     */
    public void requireFloats(String purpose) {
        quantization.ifPresent(found -> {
            throw new InputException(path + ": the weights are quantized (" + found.method()
                    + "), expected a folder with float weights " + purpose);
        });
    }

    @Override
    public QuantizedMatrix quantized(Parameter matrix) {
        String module = matrix.name().replaceFirst("\\.weight$", "");
        boolean layer = matrix.group().layer() != Group.MODEL;
        boolean integers = has(module + ".qweight");
        if (integers && (quantization.isEmpty() || !layer)) {
            throw new InputException(path + ": tensor '" + module + ".qweight' is given, expected '" + matrix.name()
                    + "'" + (layer ? " without a quantization_config" : ": embedding and head must not be quantized"));
        }
        if (quantization.isEmpty() || !layer) {
            return null;
        }
        if (!integers && has(matrix.name())) {
            throw new InputException(path + ": tensor '" + matrix.name() + "' is not quantized, expected '" + module
                    + ".qweight' as in all linear layers");
        }
        boolean biased = matrix.group().role() == Role.QKV_PROJ && config.attention().qkvBias();
        if (!biased && has(module + ".bias") && hasValues(tensor(module + ".bias"))) {
            throw new InputException(path + ": tensor '" + module + ".bias' is not zero, expected no bias in "
                    + "this layer of the architecture");
        }
        return PackedMatrix.open(this, quantization.get(), matrix);
    }

    /** Whether any element is not zero. Older GPTQ tools add a bias of zeros to every layer. */
    private static boolean hasValues(HostTensor bias) {
        float[] values = new float[Math.toIntExact(bias.elements())];
        HostFloats.read(values, bias.data(), bias.dtype(), 0);
        for (float value : values) {
            if (value != 0) {
                return true;
            }
        }
        return false;
    }

    /** Copies the bytes of a tensor of any type. */
    void read(String name, MemorySegment target) {
        holder(name).read(name, 0, target);
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
        String head = "lm_head.weight";
        if (config.tieWordEmbeddings() && has(head) && has(EMBEDDING)
                && holder(head).data(head).mismatch(holder(EMBEDDING).data(EMBEDDING)) >= 0) {
            throw new InputException(holder(head).file() + ": tensor '" + head + "' differs from '" + EMBEDDING
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
