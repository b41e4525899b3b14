package org.ingrain.distill;

import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.tensor.InputException;

/**
 * Everything that is asked for in one run.
 *
 * @param method   System 2
 * @param train    the tuner's settings, as it was given them; here they are only written down and compared
 */
public record DistillConfig(QuestionConfig data, Method method, SampleConfig sample, CurationConfig curation, Record train,
                            EvaluateConfig evaluate, TeachConfig teach) {
    public DistillConfig {
        for (Method baseline : evaluate.baselines()) {
            if (baseline.name().equals(method.name()) || baseline.equals(Methods.direct())) {
                throw new InputException("--baselines: " + baseline.name() + ", expected methods beside direct and " + method.name()
                        + ", which are measured anyway");
            }
        }
    }
}
