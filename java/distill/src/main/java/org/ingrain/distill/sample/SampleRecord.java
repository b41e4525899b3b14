package org.ingrain.distill.sample;

import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.SampleKey;

/**
 * A completion as a line of a file of samples.
 *
 * @param id     id of the example
 * @param path   path of the completion, as in {@link SampleKey#path()}
 * @param step   name of the step in the method
 * @param text   generated text
 * @param tokens number of generated tokens
 */
public record SampleRecord(String id, String path, String step, String text, int tokens, Finish finish) {
    public SampleKey key() {
        return new SampleKey(id, path);
    }
}
