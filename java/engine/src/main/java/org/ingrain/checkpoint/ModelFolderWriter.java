package org.ingrain.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.model.Blueprint;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.SpecialTokens;

/**
 * Writes a Hugging Face folder that has another's tokenizer and generation settings. The folder is filled beside its place and moved
 * there when it is whole.
 */
public final class ModelFolderWriter {
    private static final List<String> COPIED = List.of("generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
            "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json");

    private ModelFolderWriter() {
    }

    /**
     * Writes a model.
     *
     * @param folder     must not exist, or be empty
     * @param base       the folder whose other files are copied
     * @param tensors    every parameter, in the order in which shards are to hold them
     * @param shardBytes a shard's largest size, {@link SafetensorsWriter#SHARD_BYTES} as a rule
     */
    public static void write(Path folder, Path base, Blueprint config, List<TensorOutput> tensors, long shardBytes) {
        Path part = folder.toAbsolutePath().normalize().resolveSibling(folder.getFileName() + ".part");
        try {
            requireFree(folder);
            delete(part);
            Files.createDirectories(part);
            for (String name : COPIED) {
                if (Files.isRegularFile(base.resolve(name))) {
                    Outputs.write(part.resolve(name), Files.readAllBytes(base.resolve(name)));
                }
            }
            ConfigWriter.write(part.resolve("config.json"), config, SpecialTokens.read(base));
            SafetensorsWriter.writeModel(part, tensors, shardBytes);
            Files.deleteIfExists(folder);
            Files.move(part, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException failed) {
            throw new InputException(folder + ": cannot be written: " + failed, failed);
        } finally {
            delete(part);
        }
    }

    private static void requireFree(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> entries = Files.isDirectory(folder) ? Files.list(folder) : Stream.of(folder)) {
            if (entries.findAny().isPresent()) {
                throw new InputException(folder + ": is already there, expected a new folder");
            }
        }
    }

    private static void delete(Path part) {
        if (!Files.exists(part)) {
            return;
        }
        try (Stream<Path> files = Files.walk(part)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException failed) {
            throw new InputException(part + ": cannot be removed: " + failed.getMessage(), failed);
        }
    }
}
