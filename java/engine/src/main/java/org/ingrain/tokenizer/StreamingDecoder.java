package org.ingrain.tokenizer;

/** Decodes ids one at a time. The concatenated results equal the decoded whole. Not thread-safe. */
public interface StreamingDecoder {
    /** The text that this id completes; empty while a character is incomplete. */
    String append(int id);

    /** The remaining text at the end; an incomplete character becomes U+FFFD. */
    String flush();
}
