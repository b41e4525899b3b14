package org.ingrain.distill.verify;

import org.ingrain.tensor.Require;

/**
 * The verdict on one answer, as a line of {@code verdicts.jsonl}.
 *
 * @param id       id of the example
 * @param path     path of the answer
 * @param accepted whether the program accepts the answer
 * @param score    the score of the answer; null if the program gave none
 * @param note     reason why the answer is rejected although the program gave no verdict; null if the program gave a
 *                 verdict
 */
public record Verdict(String id, String path, boolean accepted, Double score, String note) {
    public Verdict {
        Require.present("id", id);
        Require.present("path", path);
    }
}
