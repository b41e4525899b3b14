package org.ingrain.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.files.DurableFile;
import org.ingrain.tensor.InputException;

/** Opens the tokenizer of a model folder. */
public final class Tokenizers {
    private Tokenizers() {
    }

    /**
     * Opens tokenizer.json if it exists, else tokenizer.model, else Qwen's vocab.json and merges.txt.
     *
     * @throws InputException if the folder has none of these files, or if the opened file is invalid
     */
    public static Tokenizer open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new InputException(folder + ": " + (Files.exists(folder) ? "not a folder" : "no such folder"));
        }
        SpecialTokens specials = SpecialTokens.read(folder);
        Path json = folder.resolve("tokenizer.json");
        if (Files.isRegularFile(json)) {
            return new JsonTokenizer(json.toString(), bytes(json), TokenizerConfig.read(folder), specials);
        }
        Path model = folder.resolve("tokenizer.model");
        if (Files.isRegularFile(model)) {
            return new SentencePieceTokenizer(model, TokenizerConfig.read(folder), specials);
        }
        if (VocabAndMerges.in(folder)) {
            TokenizerConfig config = TokenizerConfig.read(folder);
            return new JsonTokenizer(folder.resolve("vocab.json").toString(),
                    VocabAndMerges.tokenizerJson(folder, config), config, specials);
        }
        throw new InputException(folder + ": has no tokenizer.json and no tokenizer.model");
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException unreadable) {
            throw DurableFile.unreadable(file, unreadable);
        }
    }
}
