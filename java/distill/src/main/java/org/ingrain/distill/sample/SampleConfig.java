package org.ingrain.distill.sample;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * How a method is sampled.
 *
 * @param samples per step, from the first; steps that are not named get one. Empty: as the method says.
 * @param params  for every step that has none of its own; the random numbers of all steps are derived from its seed
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
