package org.ingrain.tokenizer;

/** Decodes the pieces of a vocabulary to text. */
interface Detokenizer {
    StreamingDecoder start(boolean skipSpecial);

    /** The UTF-8 bytes of a token; see {@link Tokenizer#tokenBytes}. */
    byte[] bytes(int id);
}
