package org.ingrain.tokenizer;

/** Decodes ids one at a time. The concatenation of all results equals the text of all ids. Not thread-safe. */
public interface StreamingDecoder {
    /** Appends an id. Returns the text that this id completes, or an empty string if a character is incomplete. */
    String append(int id);

    /** Ends the sequence and returns the remaining text. An incomplete character becomes U+FFFD. */
    String flush();
}
