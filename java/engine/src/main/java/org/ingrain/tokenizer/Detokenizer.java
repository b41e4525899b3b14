package org.ingrain.tokenizer;

/** How the pieces of a vocabulary become text. */
interface Detokenizer {
    StreamingDecoder start(boolean skipSpecial);
}
