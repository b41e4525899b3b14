package org.ingrain.distill.sample;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * Sampling settings of a method.
 *
 * @param samples samples per step, from the first step; missing steps get one. Empty: the numbers in the method
 * @param params  parameters of all steps without their own; the random numbers of all steps are derived from its seed
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
