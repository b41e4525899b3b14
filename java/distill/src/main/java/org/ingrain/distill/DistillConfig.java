package org.ingrain.distill;

import java.nio.file.Path;
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
 * @param method   the System 2 method to distil
 * @param imported file with answers that another program sampled. In the first round, these answers replace the samples
 *                 of the method. Null: the first round samples answers with the method
 * @param <T>      type of the tuner's settings
 */
public record DistillConfig<T extends TunerSettings>(QuestionConfig data, Method method, SampleConfig sample,
        CurationConfig curation, T train, EvaluateConfig evaluate, TeachConfig teach, Path imported) {
    /** Settings without imported answers. */
    public DistillConfig(QuestionConfig data, Method method, SampleConfig sample, CurationConfig curation, T train,
            EvaluateConfig evaluate, TeachConfig teach) {
        this(data, method, sample, curation, train, evaluate, teach, null);
    }

    public DistillConfig {
        if (imported != null && sample.samples().size() != 1) {
            throw InputException.field("samples", sample.samples() + " with importedSamples, expected one number: the "
                    + "largest number of answers to a question");
        }
        if (imported != null && curation.orders() != 1) {
            throw InputException.field("orders", curation.orders() + " with importedSamples, expected 1: the imported "
                    + "answers are for the given order only");
        }
        for (Method baseline : evaluate.baselines()) {
            if (baseline.name().equals(method.name()) || baseline.equals(Methods.direct())) {
                throw InputException.field("baselines", baseline.name() + ", expected methods other than direct and "
                        + method.name() + ", which are always evaluated");
            }
        }
    }
}
