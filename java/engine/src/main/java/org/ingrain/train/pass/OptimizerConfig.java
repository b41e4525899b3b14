package org.ingrain.train.pass;

import org.ingrain.ops.Ops;
import org.ingrain.tensor.Require;

/**
 * AdamW (arXiv:1711.05101) and the course of its learning rate. Weight decay applies to matrices (adapters, embeddings
 * and the head included), never to the weights of norms.
 *
 * @param learningRate         at the end of the warm-up
 * @param beta1                decay of the first moment
 * @param beta2                decay of the second moment
 * @param eps                  added to the root of the second moment
 * @param weightDecay          decoupled decay, times the learning rate
 * @param maxGradNorm          gradients are scaled down to this L2 norm; 0 for no clipping
 * @param schedule             after the warm-up
 * @param warmupSteps          steps from a learning rate of 0, the first, to learningRate
 * @param minLearningRateRatio share of learningRate that linear and cosine end at
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

    /** PyTorch's betas and eps, no decay, gradients clipped to norm 1, a constant rate. */
    public static OptimizerConfig of(double learningRate) {
        return new OptimizerConfig(learningRate, 0.9, 0.999, 1e-8, 0, 1, Schedule.CONSTANT, 0, 0);
    }

    /** The learning rate of a step, counted from 1, of {@code steps} in all. */
    public double learningRate(int step, int steps) {
        int done = step - 1;
        if (done < warmupSteps) {
            return learningRate * done / warmupSteps;
        }
        double progress = Math.min(1, (double) (done - warmupSteps) / Math.max(1, steps - warmupSteps));
        return learningRate * (minLearningRateRatio + (1 - minLearningRateRatio) * schedule.remaining(progress));
    }

    /** The coefficients of one step, with or without decay. */
    Ops.AdamW coefficients(double rate, boolean decayed) {
        return new Ops.AdamW((float) rate, (float) beta1, (float) beta2, (float) eps, decayed
                ? (float) weightDecay : 0);
    }
}
