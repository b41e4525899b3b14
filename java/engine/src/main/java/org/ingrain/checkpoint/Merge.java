package org.ingrain.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.ingrain.files.DurableFolder;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.Projection;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;

/**
 * Merges an adapter into its base model. For each adapted weight W, W + scaling·B·A is computed in F32 and rounded to
 * the type of W. The result is a new Hugging Face folder, which is written atomically. Modules that the adapter stores
 * in full (PEFT's modules_to_save) replace the modules of the base model. If embedding and output head are tied in the
 * base model and the adapter makes them differ, the result has a separate output head. A bias of lora_B, times the
 * scaling, is added to the bias of the base module. As in PEFT, an adapter with a bias of lora_B cannot be merged if
 * the base module has no bias.
 */
public final class Merge {
    private static final String EMBEDDING = "model.embed_tokens.weight";
    private static final String HEAD = "lm_head.weight";

    private final ModelFolder base;
    private final PeftAdapter adapter;

    public Merge(ModelFolder base, PeftAdapter adapter) {
        base.requireFloats("to merge the adapter, such as the folder that this folder was quantized from");
        this.base = base;
        this.adapter = adapter;
        ParameterTable parameters = base.config().parameters();
        adapter.modules().forEach(module -> {
            Parameter w = parameters.get(module.layer(), module.projection());
            requireShape(w.name(), w.shape());
            String bias = module.projection().module(module.layer()) + ".bias";
            if (module.bias() != null && !base.has(bias)) {
                throw new InputException(base.path() + ": has no tensor '" + bias
                        + "' that the adapter's lora_bias can be added to, so the adapter cannot be merged");
            }
        });
        adapter.savedModules().forEach((name, tensor) -> {
            if (!has(name)) {
                throw new InputException(base.path() + ": has no tensor '" + name
                        + "', which the adapter's modules_to_save replaces");
            }
            requireShape(old(name), tensor.shape());
        });
    }

    private boolean has(String name) {
        return base.has(name) || name.equals(HEAD) && base.config().tieWordEmbeddings();
    }

    /**
     * Returns the name of the base model's tensor from which tensor {@code name} of the result is computed. For a tied
     * output head, this is the embedding.
     */
    private String old(String name) {
        return base.has(name) ? name : EMBEDDING;
    }

    /**
     * Whether embedding and output head are tied in the base model but differ in the result. This is the case if the
     * adapter adapts either tensor, replaces only one of the two, or replaces them by different tensors.
     */
    private boolean unties() {
        if (base.config().tieWordEmbeddings()
                && adapter.modules().stream().anyMatch(module -> module.projection().ofModel())) {
            return true;
        }
        HostTensor embedding = adapter.savedModules().get(EMBEDDING);
        HostTensor head = adapter.savedModules().get(HEAD);
        boolean same = embedding == null ? head == null : head != null && embedding.dtype() == head.dtype()
                && embedding.data().mismatch(head.data()) < 0;
        return base.config().tieWordEmbeddings() && !same;
    }

    /**
     * Reports the progress of a merge. {@code written} is called once for each tensor, just before this tensor is
     * computed and written.
     */
    public interface Progress {
        void written(int tensors, int of);
    }

    /**
     * Writes the merged folder.
     *
     * @param output the folder to create; if it exists, it must be empty
     */
    public void write(Path output, Progress progress) {
        Map<String, LoraModule> modules = new HashMap<>();
        adapter.modules().forEach(module -> {
            modules.put(module.projection().weightName(module.layer()), module);
            if (module.bias() != null) {
                modules.put(module.projection().module(module.layer()) + ".bias", module);
            }
        });
        List<String> names = new ArrayList<>(base.names());
        Blueprint config = unties() ? base.config().untied() : base.config();
        if (unties() && !names.contains(HEAD)) {
            names.add(HEAD);
        }
        long largest = names.stream().mapToLong(name -> base.info(old(name)).bytes()).max().orElse(1);
        int[] written = {0};
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(largest, 64);
            List<TensorOutput> outputs = names.stream().map(name -> {
                HostTensor w = base.tensor(old(name));
                return new TensorOutput(name, w.dtype(), w.shape(), () -> {
                    progress.written(++written[0], names.size());
                    MemorySegment data = memory.asSlice(0, w.data().byteSize());
                    return changed(data, name, w, modules.get(name));
                });
            }).toList();
            DurableFolder.write(output, folder -> base.reading(() -> {
                ModelFolderWriter.write(folder, base.path(), config, outputs, SafetensorsWriter.SHARD_BYTES);
                return output;
            }));
        }
    }

    private void requireShape(String name, long... expected) {
        long[] found = base.info(name).shape();
        if (!Arrays.equals(found, expected)) {
            throw new InputException(base.path() + ": tensor '" + name + "' has shape " + Arrays.toString(found)
                    + ", expected "
                    + Arrays.toString(expected) + " to merge with the adapter");
        }
    }

    /** Computes tensor {@code name} of the merged model, in the type of {@code w}, the base model's tensor. */
    private MemorySegment changed(MemorySegment data, String name, HostTensor w, LoraModule module) {
        HostTensor saved = adapter.savedModules().get(name);
        HostTensor source = saved == null ? w : saved;
        if (module == null) {
            return saved == null ? w.data() : converted(data, source, w.dtype());
        }
        return w.shape().length == 1 ? biased(data, source, w.dtype(), module)
                : merged(data, source, w.dtype(), module);
    }

    private static MemorySegment converted(MemorySegment data, HostTensor source, DType dtype) {
        int columns = Math.toIntExact(source.shape()[source.shape().length - 1]);
        float[] row = new float[columns];
        for (long begin = 0; begin < source.elements(); begin += columns) {
            HostFloats.read(row, source.data(), source.dtype(), begin);
            HostFloats.write(data, dtype, begin, row);
        }
        return data;
    }

    /** Computes data (N) = bias (N) + scaling·b (N), where b is the bias of lora_B. */
    private static MemorySegment biased(MemorySegment data, HostTensor bias, DType dtype, LoraModule module) {
        float[] values = new float[module.bias().length];
        HostFloats.read(values, bias.data(), bias.dtype(), 0);
        for (int n = 0; n < values.length; n++) {
            values[n] += module.scaling() * module.bias()[n];
        }
        HostFloats.write(data, dtype, 0, values);
        return data;
    }

    /** Computes data = W (N, C) + scaling·B (N, R)·A (R, C). The embedding (V, D) uses the transpose of B·A. */
    private static MemorySegment merged(MemorySegment data, HostTensor w, DType dtype, LoraModule module) {
        boolean embedding = module.projection() == Projection.EMBED_TOKENS;
        float[] left = embedding ? LoraModule.transposed(module.a(), module.rank()) : module.b();
        float[] right = embedding ? LoraModule.transposed(module.b(), module.b().length / module.rank()) : module.a();
        int columns = Math.toIntExact(w.shape()[1]);
        LongStream.range(0, w.shape()[0]).parallel().forEach(n -> {
            float[] delta = new float[columns];
            for (int r = 0; r < module.rank(); r++) {
                float b = left[Math.toIntExact(n * module.rank() + r)];
                int a = r * columns;
                for (int c = 0; c < columns; c++) {
                    delta[c] += b * right[a + c];
                }
            }
            float[] row = new float[columns];
            HostFloats.read(row, w.data(), w.dtype(), n * columns);
            for (int c = 0; c < columns; c++) {
                row[c] += module.scaling() * delta[c];
            }
            HostFloats.write(data, dtype, n * columns, row);
        });
        return data;
    }
}
