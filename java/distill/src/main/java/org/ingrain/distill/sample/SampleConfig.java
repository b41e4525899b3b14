package org.ingrain.distill.sample;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * Sampling settings of a method.
 *
 * @param samples number of samples of each step, beginning with the first step; steps beyond the end of the list have
 *                one sample; empty: the numbers that the method defines
 * @param params  sampling parameters of all steps, unless the method defines other values; all random numbers are
 *                derived from the seed in {@code params}
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
}
