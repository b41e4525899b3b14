package org.ingrain.distill.sample;

/**
 * One completion as it is kept on disk.
 *
 * @param id     the example's
 * @param path   see {@link Key#path()}
 * @param step   name of the method's step
 * @param text   what the model said
 * @param tokens generated
 */
public record SampleRecord(String id, String path, String step, String text, int tokens, Finish finish) {
    public Key key() {
        return new Key(id, path);
    }
}
