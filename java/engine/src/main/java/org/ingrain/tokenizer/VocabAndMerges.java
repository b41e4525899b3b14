package org.ingrain.tokenizer;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;

/**
 * Converts vocab.json and merges.txt to a tokenizer.json. Qwen's model folders contain these files, with or without a
 * tokenizer.json. The two files contain only the vocabulary and the merges. All other settings are therefore those of
 * transformers' Qwen2Tokenizer: NFC normalisation, digits split one by one, byte-level BPE, no BOS. A folder with
 * another tokenizer class causes an InputException, because other classes split texts differently.
 */
final class VocabAndMerges {
    private static final String EXPRESSION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private VocabAndMerges() {
    }

    /** Whether a folder has vocab.json and merges.txt. */
    static boolean in(Path folder) {
        return Files.isRegularFile(folder.resolve("vocab.json")) && Files.isRegularFile(folder.resolve("merges.txt"));
    }

    static byte[] tokenizerJson(Path folder, TokenizerConfig config) {
        if (!config.isQwen2()) {
            throw new InputException(folder + ": has vocab.json and merges.txt of the tokenizer_class '"
                    + config.tokenizerClass() + "', expected Qwen2Tokenizer, or a tokenizer.json");
        }
        Map<String, Object> model = Map.of("type", "BPE", "fuse_unk", false, "byte_fallback", false, "vocab",
                vocabulary(folder.resolve("vocab.json")), "merges", merges(folder.resolve("merges.txt")));
        Map<String, Object> bytes = Map.of("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", false,
                "use_regex", false);
        Map<String, Object> split = Map.of("type", "Split", "pattern", Map.of("Regex", EXPRESSION), "behavior",
                "Isolated", "invert", false);
        Map<Integer, Object> added = new TreeMap<>();
        config.addedTokens().forEach(token -> added.put(token.id(), Map.of("id", token.id(), "content",
                token.content(), "single_word", token.singleWord(),
                "lstrip", token.lstrip(), "rstrip", token.rstrip(), "normalized",
                false, "special", token.special())));
        return Json.line(Map.of("version", "1.0", "added_tokens", added.values(), "normalizer", Map.of("type", "NFC"),
                "pre_tokenizer", Map.of("type", "Sequence", "pretokenizers", List.of(split, bytes)),
                "decoder", bytes, "model", model)).getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, Integer> vocabulary(Path file) {
        JsonFields fields = JsonFields.read(file);
        Map<String, Integer> ids = new TreeMap<>();
        fields.names().forEach(token -> ids.put(token, fields.integer(token)));
        return ids;
    }

    private static List<String> merges(Path file) {
        List<String> lines = DurableFile.read(file).lines().toList();
        int first = !lines.isEmpty() && lines.getFirst().startsWith("#version") ? 1 : 0;
        return lines.stream().skip(first).filter(line -> !line.isEmpty()).toList();
    }
}
