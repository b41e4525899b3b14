package org.ingrain.cli.flags;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.ingrain.model.Projection;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Schedule;
import picocli.CommandLine.Option;

/** Flags for fine-tuning. */
@Heading.Under(Heading.TRAINING)
public final class TrainingFlags {
    @Option(names = "--epochs", defaultValue = "3", paramLabel = "N",
            description = "Passes over the data (default: ${DEFAULT-VALUE}).")
    int epochs;

    @Option(names = "--learning-rate", defaultValue = "2e-4", paramLabel = "LR",
            description = "Peak learning rate, reached after the warm-up (default: ${DEFAULT-VALUE}).")
    double learningRate;

    @Option(names = "--batch-size", defaultValue = "16", paramLabel = "N",
            description = "Examples per forward and backward pass (default: ${DEFAULT-VALUE}).")
    int batchSize;

    @Option(names = "--rank", defaultValue = "16", paramLabel = "R",
            description = "LoRA rank (default: ${DEFAULT-VALUE}).")
    int rank;

    @Option(names = "--alpha", defaultValue = "32", paramLabel = "A",
            description = "LoRA alpha; the scaling is alpha / rank (default: ${DEFAULT-VALUE}).")
    double alpha;

    @Option(names = "--dropout", defaultValue = "0", paramLabel = "P",
            description = "LoRA dropout (default: ${DEFAULT-VALUE}).")
    double dropout;

    @Option(names = "--target-modules", split = ",", paramLabel = "NAME",
            description = "LoRA target modules: q_proj, k_proj, v_proj, o_proj, "
            + "gate_proj, up_proj, down_proj (default: these seven), embed_tokens, lm_head.")
    List<String> targetModules = List.of();

    @Option(names = "--rslora", description = "Rank-stabilised LoRA: the scaling is alpha / √rank.")
    boolean rslora;

    @Option(names = "--lora-bias", description = "Also train a bias of B (not for embed_tokens).")
    boolean loraBias;

    @Option(names = "--max-steps", defaultValue = "0", paramLabel = "N",
            description = "Number of optimizer steps; replaces --epochs; 0 means not set (default: ${DEFAULT-VALUE}).")
    int maxSteps;

    @Option(names = "--gradient-accumulation", defaultValue = "1", paramLabel = "N",
            description = "Passes per optimizer step (default: ${DEFAULT-VALUE}).")
    int gradientAccumulation;

    @Option(names = "--schedule", defaultValue = "cosine", paramLabel = "NAME",
            description = "Learning-rate schedule: constant, linear or cosine (default: ${DEFAULT-VALUE}).")
    String schedule;

    @Option(names = "--warmup-steps", defaultValue = "0", paramLabel = "N",
            description = "Steps of linear warm-up (default: ${DEFAULT-VALUE}).")
    int warmupSteps;

    @Option(names = "--min-learning-rate-ratio", defaultValue = "0", paramLabel = "X",
            description = "Final learning rate of a linear or cosine schedule, as a share of --learning-rate "
            + "(default: ${DEFAULT-VALUE}).")
    double minLearningRateRatio;

    @Option(names = "--beta1", defaultValue = "0.9", paramLabel = "B",
            description = "AdamW beta1 (default: ${DEFAULT-VALUE}).")
    double beta1;

    @Option(names = "--beta2", defaultValue = "0.999", paramLabel = "B",
            description = "AdamW beta2 (default: ${DEFAULT-VALUE}).")
    double beta2;

    @Option(names = "--weight-decay", defaultValue = "0", paramLabel = "W",
            description = "AdamW weight decay (default: ${DEFAULT-VALUE}).")
    double weightDecay;

    @Option(names = "--max-grad-norm", defaultValue = "1", paramLabel = "N",
            description = "Gradient clipping: maximum norm; 0 means none (default: ${DEFAULT-VALUE}).")
    double maxGradNorm;

    @Option(names = "--eval-every", defaultValue = "0", paramLabel = "N",
            description = "Steps between validations; 0 means one per epoch (default: ${DEFAULT-VALUE}).")
    int evalEvery;

    @Option(names = "--checkpoint-every", defaultValue = "0", paramLabel = "N",
            description = "Steps between checkpoints; 0 means one per epoch (default: ${DEFAULT-VALUE}).")
    int checkpointEvery;

    @Option(names = "--keep-checkpoints", defaultValue = "2", paramLabel = "N",
            description = "Latest checkpoints to keep, in addition to the best one (default: ${DEFAULT-VALUE}).")
    int keepCheckpoints;

    @Option(names = "--activation-checkpointing",
            description = "Recompute each layer in the backward pass: less memory, about a third more time.")
    boolean activationCheckpointing;

    public LoraConfig lora() {
        return new LoraConfig(rank, alpha, dropout, targets(), rslora, loraBias);
    }

    private Set<Projection> targets() {
        if (targetModules.isEmpty() || targetModules.equals(List.of("all-linear"))) {
            return LoraConfig.ALL_LINEAR;
        }
        Set<Projection> targets = EnumSet.noneOf(Projection.class);
        for (String name : targetModules) {
            targets.add(Arrays.stream(Projection.values()).filter(p -> p.target().equals(name.strip())).findFirst()
                    .orElseThrow(
                            () -> new InputException("--target-modules: '" + name + "', expected all-linear or some of "
                            + Arrays.stream(Projection.values()).map(Projection::target)
                                    .collect(Collectors.joining(", ")))));
        }
        return targets;
    }

    public OptimizerConfig optimizer() {
        return new OptimizerConfig(learningRate, beta1, beta2, 1e-8, weightDecay, maxGradNorm,
                Words.choose("--schedule", schedule, Schedule.class), warmupSteps, minLearningRateRatio);
    }

    /** @param seed determines the order of the examples, the initial adapter and the dropout masks */
    public TrainConfig train(long seed) {
        return new TrainConfig(maxSteps > 0 ? 0 : epochs, maxSteps, batchSize, gradientAccumulation, seed, evalEvery,
                checkpointEvery, keepCheckpoints, activationCheckpointing);
    }
}
