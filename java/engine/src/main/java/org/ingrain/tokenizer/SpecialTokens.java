package org.ingrain.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.ingrain.files.JsonFields;

/**
 * The ids of BOS, EOS and padding from a folder's configuration.
 *
 * @param eosIds all ids that end an answer; empty if the configuration contains no such id
 */
public record SpecialTokens(OptionalInt bosId, List<Integer> eosIds, OptionalInt padId) {
    public SpecialTokens {
        eosIds = List.copyOf(eosIds);
    }

    /**
     * Reads config.json and generation_config.json, if they exist. The values of generation_config.json take
     * precedence.
     */
    public static SpecialTokens read(Path folder) {
        SpecialTokens found = new SpecialTokens(OptionalInt.empty(), List.of(), OptionalInt.empty());
        for (String name : List.of("config.json", "generation_config.json")) {
            Path file = folder.resolve(name);
            if (Files.exists(file)) {
                found = found.overriddenBy(JsonFields.read(file));
            }
        }
        return found;
    }

    private SpecialTokens overriddenBy(JsonFields fields) {
        return new SpecialTokens(id(fields, "bos_token_id", bosId),
                fields.has("eos_token_id") ? fields.integers("eos_token_id") : eosIds,
                id(fields, "pad_token_id", padId));
    }

    // In the first Llama 2 folders, pad_token_id -1 means that there is no padding token.
    private static OptionalInt id(JsonFields fields, String field, OptionalInt otherwise) {
        if (!fields.has(field)) {
            return otherwise;
        }
        int id = fields.integer(field);
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }
}
