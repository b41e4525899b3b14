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
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.InputException;

/**
 * Merges an adapter into its base model. Each adapted weight becomes W + scaling·B·A, computed in F32 and rounded to
 * the type of W. Tensors are processed one at a time. The result is a new Hugging Face folder, written atomically.
 * Modules that the adapter stores in full replace the base's modules. If this changes only one of two tied embeddings,
 * the result has a separate output head.
 */
public final class Merge {
    private static final String EMBEDDING = "model.embed_tokens.weight";
    private static final String HEAD = "lm_head.weight";

    private final ModelFolder base;
    private final PeftAdapter adapter;

    public Merge(ModelFolder base, PeftAdapter adapter) {
        this.base = base;
        this.adapter = adapter;
        ParameterTable parameters = base.config().parameters();
        adapter.modules().forEach(module -> {
            Parameter w = parameters.get(module.layer(), module.projection());
            requireShape(w.name(), w.shape());
        });
        adapter.savedModules().forEach((name, tensor) -> {
            if (!has(name)) {
                throw new InputException(base.path() + ": has no tensor '" + name
                        + "' for the adapter's module to take the place of");
            }
            requireShape(old(name), tensor.shape());
        });
    }

    private boolean has(String name) {
        return base.has(name) || name.equals(HEAD) && base.config().tieWordEmbeddings();
    }

    /** The name of the base's tensor from which a tensor of the result is made. For a tied head it is the embedding. */
    private String old(String name) {
        return base.has(name) ? name : EMBEDDING;
    }

    /**
     * Whether tied tensors differ after the merge. They do if the adapter replaces only one of them, or both with
     * different values.
     */
    private boolean unties() {
        HostTensor embedding = adapter.savedModules().get(EMBEDDING);
        HostTensor head = adapter.savedModules().get(HEAD);
        boolean same = embedding == null ? head == null : head != null && embedding.dtype() == head.dtype()
                && embedding.data().mismatch(head.data()) < 0;
        return base.config().tieWordEmbeddings() && !same;
    }

    /** Receives a call for each tensor that is written. */
    public interface Progress {
        void written(int tensors, int of);
    }

    /**
     * Writes the merged folder.
     *
     * @param output the folder to create; it must not exist, or must be empty
     */
    public void write(Path output, Progress progress) {
        Map<String, LoraModule> modules = new HashMap<>();
        adapter.modules().forEach(module -> modules.put(module.projection().weightName(module.layer()), module));
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
                    return modules.containsKey(name) ? merged(data, w, modules.get(name)) : replaced(data, name, w);
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

    private MemorySegment replaced(MemorySegment data, String name, HostTensor w) {
        HostTensor saved = adapter.savedModules().get(name);
        if (saved == null) {
            return w.data();
        }
        int columns = Math.toIntExact(saved.shape()[saved.shape().length - 1]);
        float[] row = new float[columns];
        for (long begin = 0; begin < saved.elements(); begin += columns) {
            HostFloats.read(row, saved.data(), saved.dtype(), begin);
            HostFloats.write(data, w.dtype(), begin, row);
        }
        return data;
    }

    /** Sets data to W (N, C) + scaling·B (N, R)·A (R, C), in the type of W. Returns data. */
    private static MemorySegment merged(MemorySegment data, HostTensor w, LoraModule module) {
        int columns = Math.toIntExact(w.shape()[1]);
        LongStream.range(0, w.shape()[0]).parallel().forEach(n -> {
            float[] delta = new float[columns];
            for (int r = 0; r < module.rank(); r++) {
                float b = module.b()[Math.toIntExact(n * module.rank() + r)];
                int a = r * columns;
                for (int c = 0; c < columns; c++) {
                    delta[c] += b * module.a()[a + c];
                }
            }
            float[] row = new float[columns];
            HostFloats.read(row, w.data(), w.dtype(), n * columns);
            for (int c = 0; c < columns; c++) {
                row[c] += module.scaling() * delta[c];
            }
            HostFloats.write(data, w.dtype(), n * columns, row);
        });
        return data;
    }
}
