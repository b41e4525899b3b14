package org.ingrain.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Blueprint;
import org.ingrain.tokenizer.SpecialTokens;

/** Writes a Hugging Face model folder. Tokenizer and generation settings are copied from another folder. */
public final class ModelFolderWriter {
    private static final List<String> COPIED = List.of(
            "generation_config.json", "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt",
            "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
            "chat_template.json");

    private ModelFolderWriter() {
    }

    /**
     * Writes a model's files.
     *
     * @param folder     the folder that {@link org.ingrain.files.DurableFolder#write} passes to its body
     * @param base       the folder from which tokenizer and generation settings are copied; the config.json of this
     *                   folder is copied too if it describes {@code config} and float weights
     * @param tensors    all parameters, in the order of the shards
     * @param shardBytes maximum size of a shard in bytes, usually {@link SafetensorsWriter#SHARD_BYTES}
     */
    public static void write(Path folder, Path base, Blueprint config, List<TensorOutput> tensors, long shardBytes) {
        for (String name : COPIED) {
            if (Files.isRegularFile(base.resolve(name))) {
                DurableFile.write(folder.resolve(name), out -> Files.copy(base.resolve(name), out));
            }
        }
        Path baseConfig = base.resolve("config.json");
        if (Files.isRegularFile(baseConfig) && !JsonFields.read(baseConfig).has("quantization_config")
                && BlueprintReader.read(baseConfig).equals(config)) {
            DurableFile.write(folder.resolve("config.json"), out -> Files.copy(baseConfig, out));
        } else {
            ConfigWriter.write(folder.resolve("config.json"), config, SpecialTokens.read(base));
        }
        SafetensorsWriter.writeModel(folder, tensors, shardBytes);
    }
}
