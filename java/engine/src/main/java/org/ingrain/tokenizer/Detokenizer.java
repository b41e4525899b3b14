package org.ingrain.tokenizer;

/** Decodes the pieces of a vocabulary to text. */
interface Detokenizer {
StreamingDecoder start(boolean skipSpecial);
}
