package org.ingrain.tokenizer;

/** Text of ids that come one at a time; the pieces together are the decoding of the whole. For one thread. */
public interface StreamingDecoder {
    /** The text that this id completes: empty while a character is unfinished, never half of one. */
    String append(int id);

    /** What is left at the end, an unfinished character as U+FFFD. */
    String flush();
}
