package org.ingrain.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.ingrain.files.JsonFields;

/**
 * How a folder's makers would sample from it: generation_config.json without what only transformers reads.
 *
 * @param doSample false: greedy
 */
public record GenerationConfig(boolean doSample, OptionalDouble temperature, OptionalDouble topP, OptionalInt topK,
                               OptionalInt maxNewTokens) {
    /** Reads generation_config.json; a folder without one is greedy and names no numbers. */
    public static GenerationConfig read(Path folder) {
        Path file = folder.resolve("generation_config.json");
        if (!Files.exists(file)) {
            return new GenerationConfig(false, OptionalDouble.empty(), OptionalDouble.empty(), OptionalInt.empty(), OptionalInt.empty());
        }
        JsonFields fields = JsonFields.read(file);
        return new GenerationConfig(fields.flag("do_sample", false), number(fields, "temperature"), number(fields, "top_p"),
                integer(fields, "top_k"), integer(fields, "max_new_tokens"));
    }

    private static OptionalDouble number(JsonFields fields, String field) {
        return fields.has(field) ? OptionalDouble.of(fields.number(field)) : OptionalDouble.empty();
    }

    private static OptionalInt integer(JsonFields fields, String field) {
        return fields.has(field) ? OptionalInt.of(fields.integer(field)) : OptionalInt.empty();
    }
}
