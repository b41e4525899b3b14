package org.ingrain.distill.sample;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * Sampling settings of a method.
 *
 * @param samples number of samples of each step, beginning with the first step. Steps beyond the end of the list have
 *                one sample. If the list is empty, the method determines the numbers
 * @param params  sampling parameters. A step of the method can set its own values, which then replace these. All random
 *                numbers are derived from the seed in {@code params}
 */
public record SampleConfig(List<Integer> samples, SamplingParams params) {
    public SampleConfig {
        samples = samples == null ? List.of() : List.copyOf(samples);
        for (int n : samples) {
            if (n < 1) {
                throw InputException.field("samples", n + ", expected 1 or more for each step");
            }
        }
    }

    /** A copy of these settings with one sample of each step. */
    public SampleConfig once() {
        return new SampleConfig(List.of(1), params);
    }
}
