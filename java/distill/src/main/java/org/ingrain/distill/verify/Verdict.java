package org.ingrain.distill.verify;

import org.ingrain.tensor.Require;

/**
 * The verdict on one answer, as a line of {@code verdicts.jsonl}.
 *
 * @param id       id of the example
 * @param path     path of the answer
 * @param accepted whether the program accepts the answer
 * @param score    the score of the answer; null if the program gave none
 * @param note     null if the program gave a verdict. Otherwise the answer is rejected, and this text is the reason
 */
public record Verdict(String id, String path, boolean accepted, Double score, String note) {
    public Verdict {
        Require.present("id", id);
        Require.present("path", path);
    }
}
