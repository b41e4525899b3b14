package org.ingrain.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Converts text to token ids and back. {@link Tokenizers#open} creates a tokenizer. Thread-safe until it is closed.
 */
public interface Tokenizer extends AutoCloseable {
    /**
     * The ids of a text. A special token in the text is encoded as the token's single id, as in transformers. Lone
     * surrogates become U+FFFD.
     *
     * @param addSpecial whether to add the special tokens of the tokenizer's post-processor, usually BOS at the
     *                   beginning
     */
    int[] encode(String text, boolean addSpecial);

    /**
     * Returns the ids of a text at the beginning of a sequence. The result is that of {@link #encode} with {@code
     * addSpecial}, with one exception: if the text itself starts with BOS, the ids start with only one BOS.
     */
    default int[] encodeBegin(String text) {
        int[] ids = encode(text, true);
        boolean twice = bosId().isPresent() && ids.length > 1 && ids[0] == bosId().getAsInt() && ids[1] == ids[0];
        return twice ? Arrays.copyOfRange(ids, 1, ids.length) : ids;
    }

    /**
     * Returns the text of these ids. Ids without a token are skipped. SentencePiece tokenizers remove the leading space
     * of the first piece.
     *
     * @param skipSpecial whether special tokens are omitted from the text
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
     * Starts to decode a sequence id by id. To decode the continuation of a prompt, append the prompt's ids first and
     * ignore the text of these ids, so that leading spaces of the continuation are kept.
     */
    StreamingDecoder streamingDecoder(boolean skipSpecial);

    /** The largest id plus 1. */
    int vocabSize();

    OptionalInt bosId();

    /**
     * The ids that end an answer. They come from the first source that has such ids: generation_config.json,
     * config.json, the tokenizer itself.
     */
    List<Integer> eosIds();

    /** The id of the token with this text in the vocabulary, such as {@code <s>} or {@code <|eot_id|>}. */
    OptionalInt tokenId(String token);

    /**
     * The UTF-8 bytes that a token contributes to a text. The bytes may be only a part of a character. The bytes of a
     * special token are those of its name. An id without a token has no bytes.
     */
    byte[] tokenBytes(int id);

    /** The text of BOS. Chat templates use it as the variable bos_token. */
    Optional<String> bosToken();

    /** The text of the tokenizer's own EOS. Chat templates use it as the variable eos_token. */
    Optional<String> eosToken();

    /**
     * The named special tokens of the model folder. The keys are the names that chat templates use, such as unk_token.
     * Each value is a text, except that the value of additional_special_tokens is a list of texts.
     */
    Map<String, Object> specialTokens();

    /** Whether {@link #encode} with {@code addSpecial} prepends BOS. */
    boolean addsBos();

    @Override
    void close();
}
