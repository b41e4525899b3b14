package org.ingrain.train.pass;

import org.ingrain.ops.AdamW;
import org.ingrain.tensor.Require;

/**
 * Settings of AdamW (arXiv:1711.05101) and of its learning rate schedule. Weight decay applies to all matrices,
 * including the matrices of adapters, the embedding and the head, but not to norms and biases.
 *
 * @param learningRate         learning rate at the end of the warm-up
 * @param beta1                decay of the first moment
 * @param beta2                decay of the second moment
 * @param eps                  added to the square root of the second moment
 * @param weightDecay          decoupled weight decay, multiplied by the learning rate in each step
 * @param maxGradNorm          gradients with a larger L2 norm are scaled down to this norm; 0 for no clipping
 * @param schedule             schedule after the warm-up
 * @param warmupSteps          number of steps of linear warm-up; if it is not 0, the first step has learning rate 0
 * @param minLearningRateRatio learning rate at the end of a linear or cosine schedule, as a fraction of
 *                             {@code learningRate}, 0 to 1
 */
public record OptimizerConfig(double learningRate, double beta1, double beta2, double eps, double weightDecay,
        double maxGradNorm, Schedule schedule, int warmupSteps, double minLearningRateRatio) {
    public OptimizerConfig {
        Require.that(learningRate > 0 && Double.isFinite(learningRate), "learningRate", learningRate,
                "a positive number");
        Require.that(beta1 >= 0 && beta1 < 1, "beta1", beta1, "0 or more and less than 1");
        Require.that(beta2 >= 0 && beta2 < 1, "beta2", beta2, "0 or more and less than 1");
        Require.that(eps > 0 && Double.isFinite(eps), "eps", eps, "a positive number");
        Require.that(weightDecay >= 0 && Double.isFinite(weightDecay), "weightDecay", weightDecay, "0 or more");
        Require.that(maxGradNorm >= 0 && Double.isFinite(maxGradNorm), "maxGradNorm", maxGradNorm,
                "0 (no clipping) or more");
        Require.that(schedule != null, "schedule", "missing", "constant, linear or cosine");
        Require.atLeast(0, "warmupSteps", warmupSteps);
        Require.within(0, 1, "minLearningRateRatio", minLearningRateRatio);
    }

    /**
     * Settings with PyTorch's betas and eps, without weight decay, with gradients clipped to norm 1, and with a
     * constant learning rate.
     */
    public static OptimizerConfig of(double learningRate) {
        return new OptimizerConfig(learningRate, 0.9, 0.999, 1e-8, 0, 1, Schedule.CONSTANT, 0, 0);
    }

    /**
     * The learning rate of a step.
     *
     * @param step  number of the step, from 1
     * @param steps number of steps of the run
     */
    public double learningRate(int step, int steps) {
        int done = step - 1;
        if (done < warmupSteps) {
            return learningRate * done / warmupSteps;
        }
        double progress = Math.min(1, (double) (done - warmupSteps) / Math.max(1, steps - warmupSteps));
        return learningRate * (minLearningRateRatio + (1 - minLearningRateRatio) * schedule.remaining(progress));
    }

    /** The coefficients of one step. If {@code decayed} is false, weight decay is 0. */
    AdamW coefficients(double rate, boolean decayed) {
        return new AdamW((float) rate, (float) beta1, (float) beta2, (float) eps, decayed
                ? (float) weightDecay : 0);
    }
}
