package org.ingrain.train.run;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.checkpoint.HostFloats;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.ModelFolderWriter;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.HostTensor;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.pass.FullParameters;

/**
 * Writes all weights as a Hugging Face model folder. The tokenizer is copied from another folder. The F32 masters are
 * rounded to the dtypes of the written tensors.
 */
public final class ModelExport implements Export {
    private static final int SLAB = 1 << 20;

    private final Context context;
    private final Path companions;
    private final Blueprint config;
    private final List<Piece> pieces;

    /**
     * A tensor to write.
     *
     * @param name   name in the files
     * @param dtype  dtype in the files
     * @param master the trained values in f32; null if {@code old} is copied unchanged
     * @param old    the tensor in the original folder; null for a new model
     */
    private record Piece(String name, DType dtype, Tensor master, HostTensor old) {
        long[] shape() {
            return old != null ? old.shape() : IntStream.range(0, master.rank()).mapToLong(master::size).toArray();
        }
    }

    private ModelExport(Context context, Path companions, Blueprint config, List<Piece> pieces) {
        this.context = context;
        this.companions = companions;
        this.config = config;
        this.pieces = pieces;
    }

    /**
     * Creates an export with the tensor names, shapes and dtypes of {@code base}. Tensors of {@code base} that are not
     * trained are copied.
     */
    public static ModelExport like(ModelFolder base, Context context, FullParameters parameters) {
        Map<String, Tensor> masters = parameters.named();
        // The folder of a model with tied embeddings may also contain the head, which then gets the embedding's values.
        masters.putIfAbsent("lm_head.weight", masters.get("model.embed_tokens.weight"));
        List<Piece> pieces = base.names().stream()
                .map(name -> new Piece(name, base.tensor(name).dtype(), masters.get(name), base.tensor(name))).toList();
        return new ModelExport(context, base.path(), base.config(), pieces);
    }

    /**
     * Creates an export of all parameters of a new model, in the dtype that the model's config states.
     *
     * @param companions folder from which the tokenizer and the generation settings are copied
     */
    public static ModelExport fresh(Path companions, Blueprint config, Context context, FullParameters parameters) {
        return new ModelExport(context, companions, config, parameters.named().entrySet().stream()
                .map(named -> new Piece(named.getKey(), config.dtype(), named.getValue(), null)).toList());
    }

    @Override
    public String name() {
        return "model";
    }

    @Override
    public void write(Path folder) {
        List<TensorOutput> sizes = pieces.stream().map(piece -> output(piece, null)).toList();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(sizes.stream().mapToLong(TensorOutput::bytes).max().orElse(1), 64);
            ModelFolderWriter.write(folder, companions, config,
                    pieces.stream().map(piece -> output(piece, memory)).toList(), SafetensorsWriter.SHARD_BYTES);
        }
    }

    private TensorOutput output(Piece piece, MemorySegment memory) {
        return new TensorOutput(piece.name, piece.dtype, piece.shape(),
                () -> piece.master == null ? piece.old.data() : rounded(piece.master, piece.dtype, memory));
    }

    private MemorySegment rounded(Tensor master, DType dtype, MemorySegment memory) {
        for (long begin = 0; begin < master.elements(); begin += SLAB) {
            float[] values = context.readFloats(master.slice(begin, Math.min(SLAB, master.elements() - begin)));
            HostFloats.write(memory, dtype, begin, values);
        }
        return memory.asSlice(0, master.elements() * dtype.bytes());
    }

    @Override
    public boolean inCheckpoints() {
        return false;
    }
}
