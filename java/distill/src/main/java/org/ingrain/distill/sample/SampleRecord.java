package org.ingrain.distill.sample;

import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.SampleKey;

/**
 * One completion as it is kept on disk.
 *
 * @param id     the example's
 * @param path   see {@link SampleKey#path()}
 * @param step   name of the method's step
 * @param text   what the model said
 * @param tokens generated
 */
public record SampleRecord(String id, String path, String step, String text, int tokens, Finish finish) {
    public SampleKey key() {
        return new SampleKey(id, path);
    }
}
