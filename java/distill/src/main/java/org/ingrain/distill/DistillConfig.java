package org.ingrain.distill;

import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.TunerSettings;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.tensor.InputException;

/**
 * All settings of one run.
 *
 * @param method the System 2 method to distil
 * @param <T>    type of the tuner's settings
 */
public record DistillConfig<T extends TunerSettings>(QuestionConfig data, Method method, SampleConfig sample,
        CurationConfig curation, T train, EvaluateConfig evaluate, TeachConfig teach) {
    public DistillConfig {
        for (Method baseline : evaluate.baselines()) {
            if (baseline.name().equals(method.name()) || baseline.equals(Methods.direct())) {
                throw InputException.field("baselines", baseline.name() + ", expected methods other than direct and "
                        + method.name() + ", which are always evaluated");
            }
        }
    }
}
