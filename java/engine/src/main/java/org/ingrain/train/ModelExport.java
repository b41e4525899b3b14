package org.ingrain.train;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.ModelFolderWriter;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.Tensor;

/** All weights as a Hugging Face folder like the one they came from, F32 masters rounded to its types. */
final class ModelExport implements Export {
    private static final int SLAB = 1 << 20;

    private final Context context;
    private final FullParameters parameters;
    private final ModelFolder base;

    ModelExport(Context context, FullParameters parameters, ModelFolder base) {
        this.context = context;
        this.parameters = parameters;
        this.base = base;
    }

    @Override
    public String name() {
        return "model";
    }

    @Override
    public void write(Path folder) {
        Map<String, Tensor> masters = new HashMap<>();
        parameters.named().forEach(piece -> masters.put(piece.name(), piece.value()));
        // A folder with tied embeddings may hold the head all the same.
        masters.putIfAbsent("lm_head.weight", masters.get("model.embed_tokens.weight"));
        long largest = base.names().stream().mapToLong(name -> base.info(name).bytes()).max().orElse(1);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(largest, 64);
            List<TensorOutput> outputs = base.names().stream().map(name -> masters.containsKey(name)
                    ? rounded(name, masters.get(name), memory) : TensorOutput.of(name, base.tensor(name))).toList();
            ModelFolderWriter.write(folder, base.path(), base.config(), outputs, SafetensorsWriter.SHARD_BYTES);
        }
    }

    private TensorOutput rounded(String name, Tensor master, MemorySegment memory) {
        HostTensor old = base.tensor(name);
        return new TensorOutput(name, old.dtype(), old.shape(), () -> {
            MemorySegment data = memory.asSlice(0, old.data().byteSize());
            for (long begin = 0; begin < master.elements(); begin += SLAB) {
                float[] values = context.readFloats(master.slice(begin, Math.min(SLAB, master.elements() - begin)));
                HostFloats.write(data, old.dtype(), begin, values);
            }
            return data;
        });
    }

    @Override
    public boolean inCheckpoints() {
        return false;
    }
}
