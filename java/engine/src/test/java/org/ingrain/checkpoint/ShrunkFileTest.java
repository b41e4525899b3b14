package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.JsonFields;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.Precision;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.train.pass.FullParameters;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** If another process truncates a weights file while it is mapped, the result is an error message and not a SIGBUS. */
class ShrunkFileTest {
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
             "num_attention_heads": 4, "vocab_size": 512, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
             "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": false, "torch_dtype": "float32"}
            """;

    @TempDir
    Path folder;
    private Path file;

    @BeforeEach
    void write() throws IOException {
        Files.writeString(folder.resolve("config.json"), CONFIG);
        List<TensorOutput> tensors = new ArrayList<>();
        for (Parameter p : ModelFolder.readConfig(folder).parameters().all()) {
            long[] shape = p.shape();
            int elements = Math.toIntExact(shape.length == 1 ? shape[0] : shape[0] * shape[1]);
            tensors.add(TensorOutput.of(p.name(), new float[elements], shape));
        }
        SafetensorsWriter.writeModel(folder, tensors, SafetensorsWriter.SHARD_BYTES);
        file = folder.resolve("model.safetensors");
    }

    private void shrink(long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(bytes);
        }
    }

    /** Truncates the weights of an open folder. Asserts that {@code work} fails and names the file and both sizes. */
    private void refused(long left, Consumer<ModelFolder> work) throws IOException {
        try (ModelFolder model = ModelFolder.open(folder)) {
            long whole = Files.size(file);
            shrink(left);
            InputException refusal = assertThrows(InputException.class, () -> model.reading(() -> {
                work.accept(model);
                return model;
            }));
            assertEquals(file + ": has " + left + " bytes, expected " + whole
                    + " as when it was opened (truncated meanwhile?)", refusal.getMessage());
        }
    }

    private static void onCpu(Consumer<Context> work) {
        try (Backend backend = Backend.open(NativeLibraries.find("cpu"));
                Context context = backend.context(new ContextOptions(0, 2, "auto"))) {
            work.accept(context);
        }
    }

    private static Weights load(Context context, ModelFolder model) {
        return Weights.load(context, model.config(), new Precision(DType.F32, DType.F32, DType.F32), Rank.SINGLE, model,
                (layers, of) -> { });
    }

    @Test
    void loading() throws IOException {
        refused(8192, model -> onCpu(context -> load(context, model)));
    }

    /** If a file lacks only a few bytes of its last page, reading these bytes returns zeros and causes no fault. */
    @Test
    void loadingAFileThatLacksAFewBytes() throws IOException {
        refused(Files.size(file) - 4, model -> onCpu(context -> load(context, model)));
    }

    @Test
    void loadingForTraining() throws IOException {
        refused(8192, model -> onCpu(context -> FullParameters.load(Weights.random(context, model.config(),
                new Precision(DType.F32, DType.F32, DType.F32), Rank.SINGLE, 1), model)));
    }

    @Test
    void merging() throws IOException {
        Path adapter = folder.resolve("adapter");
        new PeftAdapter(AdapterConfigReader.read(JsonFields.parse("adapter", """
                {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"]}""".getBytes())),
                List.of(new LoraModule(0, Projection.Q_PROJ, 1, 1, new float[64],
                        new float[64])), Map.of()).write(adapter);
        Path output = folder.resolve("merged");
        refused(8192, model -> new Merge(model, PeftAdapter.read(adapter, model.config())).write(output,
                (tensors, of) -> { }));
        assertFalse(Files.exists(output));
        try (var left = Files.list(folder)) {
            assertTrue(left.noneMatch(path -> path.getFileName().toString().contains("merged")));
        }
    }
}
