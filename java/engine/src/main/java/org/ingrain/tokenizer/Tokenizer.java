package org.ingrain.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Text to token ids and back. Made by {@link Tokenizers#open}; safe for use by many threads until closed.
 */
public interface Tokenizer extends AutoCloseable {
    /**
     * The ids of a text. Special tokens that stand in the text become their single ids, as in transformers; lone
     * surrogates become U+FFFD.
     *
     * @param addSpecial put in front what the folder's tokenizer puts in front, usually BOS
     */
    int[] encode(String text, boolean addSpecial);

    /**
     * The ids of a text that stands at the beginning: {@link #encode} with addSpecial, but one BOS also where the text
     * brings its own.
     */
    default int[] encodeBegin(String text) {
        int[] ids = encode(text, true);
        boolean twice = bosId().isPresent() && ids.length > 1 && ids[0] == bosId().getAsInt() && ids[1] == ids[0];
        return twice ? Arrays.copyOfRange(ids, 1, ids.length) : ids;
    }

    /**
     * The text of ids, exactly; ids that name no token say nothing. A text that begins here loses the space its first
     * piece brings.
     */
    default String decode(int[] ids, boolean skipSpecial) {
        StreamingDecoder decoder = streamingDecoder(skipSpecial);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.append(id));
        }
        return text.append(decoder.flush()).toString();
    }

    /**
     * Decodes one answer id by id. To continue a prompt with its spaces right, append the prompt's ids first and drop
     * their text.
     */
    StreamingDecoder streamingDecoder(boolean skipSpecial);

    /** One more than the largest id. */
    int vocabSize();

    OptionalInt bosId();

    /** The ids that end an answer: of generation_config.json, else of config.json, else the tokenizer's own. */
    List<Integer> eosIds();

    /** The id of one token as the vocabulary spells it, such as {@code <s>} or {@code <|eot_id|>}. */
    OptionalInt tokenId(String token);

    /** The text of BOS, which chat templates call bos_token. */
    Optional<String> bosToken();

    /** The tokenizer's own text of EOS, which chat templates call eos_token. */
    Optional<String> eosToken();

    /** Whether {@link #encode} with addSpecial begins with BOS. */
    boolean addsBos();

    @Override
    void close();
}
