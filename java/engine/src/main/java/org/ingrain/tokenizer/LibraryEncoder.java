package org.ingrain.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Map;
import java.util.stream.LongStream;
import org.ingrain.tensor.InputException;

/** Runs Hugging Face's tokenizers library in this process, through DJL. Thread-safe. */
final class LibraryEncoder implements AutoCloseable {
    // By default DJL truncates and pads the ids.
    private static final Map<String, String> OPTIONS = Map.of("truncation", "false", "padding", "false");

    private final String where;
    private final HuggingFaceTokenizer library;

    /**
     * Loads a tokenizer.
     *
     * @param where name of the file, for error messages
     * @param json  content of a tokenizer.json that {@link TokenizerCheck} has accepted
     */
    LibraryEncoder(String where, byte[] json) {
        this.where = where;
        DjlSettings.apply();
        try (var stream = new ByteArrayInputStream(json)) {
            library = HuggingFaceTokenizer.newInstance(stream, OPTIONS);
        } catch (IOException | RuntimeException refused) {
            throw new InputException(where + ": not a tokenizer: " + firstLine(refused), refused);
        }
    }

    private static String firstLine(Exception refused) {
        return String.valueOf(refused.getMessage()).lines().findFirst().orElse("");
    }

    /** @param addSpecial whether to apply the post-processor */
    int[] encode(String text, boolean addSpecial) {
        try {
            return LongStream.of(library.encode(text, addSpecial, false).getIds()).mapToInt(Math::toIntExact).toArray();
        } catch (RuntimeException refused) {
            throw new InputException(where + ": cannot encode a text of " + text.length() + " characters: "
                    + firstLine(refused), refused);
        }
    }

    @Override
    public void close() {
        library.close();
    }
}
