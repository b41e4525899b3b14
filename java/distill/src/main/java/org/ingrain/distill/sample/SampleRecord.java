package org.ingrain.distill.sample;

import java.util.regex.Pattern;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.tensor.Require;

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
    private static final Pattern PATH = Pattern.compile("\\d{1,9}(\\.\\d{1,9})*");

    public SampleRecord {
        Require.present("id", id);
        Require.present("path", path);
        Require.that(PATH.matcher(path).matches(), "path", path, "numbers with dots between them");
        Require.present("step", step);
        Require.present("text", text);
        Require.atLeast(0, "tokens", tokens);
        Require.present("finish", finish);
    }

    public SampleKey key() {
        return new SampleKey(id, path);
    }
}
