package org.ingrain.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.ingrain.files.JsonFields;

/**
 * The ids that begin, end and fill a text.
 *
 * @param eosIds every id that ends an answer; empty where the folder names none
 */
public record SpecialTokens(OptionalInt bosId, List<Integer> eosIds, OptionalInt padId) {
    public SpecialTokens {
        eosIds = List.copyOf(eosIds);
    }

    /** What a folder says: generation_config.json before config.json; a file that is absent says nothing. */
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

    // Llama 2's first folders say pad_token_id -1 where they mean none.
    private static OptionalInt id(JsonFields fields, String field, OptionalInt otherwise) {
        if (!fields.has(field)) {
            return otherwise;
        }
        int id = fields.integer(field);
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }
}
