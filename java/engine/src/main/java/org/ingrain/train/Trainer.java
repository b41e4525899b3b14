package org.ingrain.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.ToLongBiFunction;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Context;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.Manifest;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Weights;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.DataOrder;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.FullParameters;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.pass.TrainingModel;
import org.ingrain.train.pass.TrainingRanks;
import org.ingrain.train.run.AdapterExport;
import org.ingrain.train.run.Checkpoints;
import org.ingrain.train.run.Export;
import org.ingrain.train.run.ModelExport;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingFolder;
import org.ingrain.train.run.TrainingRun;
import org.ingrain.train.run.TrainingState;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.annotation.JsonNaming;

/**
 * Trains a model or an adapter. A killed run can be resumed from its latest checkpoint. The result is then
 * bit-identical to the result of an uninterrupted run. The loss of a step is the mean over all target tokens of the
 * step. A checkpoint is written every {@code checkpointEvery} steps, after the last step, and after every validation
 * with the lowest loss so far. The result has the weights of the step with the lowest validation loss, or the weights
 * of the last step if there is no validation data.
 */
public final class Trainer implements AutoCloseable {
    private final TrainingRanks<?> ranks;
    private final TrainingRun run;
    private final Manifest manifest;
    private final Export export;
    private final TrainingMemory memory;
    private final DataOrder order;
    private final List<MicroBatch> validation;
    private long tokens;
    private long began;

    /** The trained parameters, the manifest that describes the run in run.json, and the export of the result. */
    private record Trainee(TrainingRanks<?> ranks, Manifest manifest, Export export) {
    }

    private Trainer(TrainingRun run, TrainingMemory memory, Trainee trainee) {
        this.run = run;
        this.memory = memory;
        ranks = trainee.ranks;
        manifest = trainee.manifest;
        export = trainee.export;
        order = order(run, run.data().train());
        validation = run.data().validation().isEmpty() ? List.of() : order(run, run.data().validation()).inOrder();
    }

    /**
     * Creates a trainer for a LoRA adapter.
     *
     * @param weights   weights of the frozen model
     * @param lora      shape of the adapter
     * @param baseModel name of the base model, for the adapter's config
     * @param from      modules of the adapter with which training starts; empty for a new adapter. If {@code from} is
     *                  not empty, the caller must identify this adapter in the provenance of {@code run}
     * @param run       data, settings and output folder
     * @throws InputException if {@code from} and {@code lora} differ in rank, scaling, biases or modules
     */
    public static Trainer lora(Weights weights, LoraConfig lora, String baseModel, List<LoraModule> from,
                               TrainingRun run) {
        return lora(List.of(TrainingModel.of(weights)), lora, baseModel, from, run);
    }

    /** Creates a trainer for a LoRA adapter on replicas of the model. Each replica is sharded over its ranks. */
    public static Trainer lora(List<TrainingModel> models, LoraConfig lora, String baseModel, List<LoraModule> from,
                               TrainingRun run) {
        if (!from.isEmpty()) {
            LoraParameters.requireTrained(from, lora, config(models));   // checked here, before a rank can fail
        }
        TrainingMemory memory = memory(models, run, (m, weights) -> m.loraBytes(weights, lora, models.size()));
        TrainingRanks<LoraParameters> ranks = new TrainingRanks<>(models, memory, (weights, place) -> {
            LoraParameters parameters = new LoraParameters(weights.context(), place, lora, run.train().seed(), memory);
            if (!from.isEmpty()) {
                parameters.load(from);
            }
            return parameters;
        });
        return new Trainer(run, memory, new Trainee(ranks, run.manifest("lora", lora),
                new AdapterExport(ranks.parameters(), lora, baseModel)));
    }

    /**
     * Creates a trainer for all weights.
     *
     * @param weights weights of the model; each step overwrites them
     * @param base    folder from which the weights were loaded; the result has the same tensor names, shapes and
     *                dtypes, and copies of the folder's config, tokenizer and generation settings
     * @param run     data, settings and output folder
     */
    public static Trainer full(Weights weights, ModelFolder base, TrainingRun run) {
        return full(List.of(TrainingModel.of(weights)), base, run);
    }

    /**
     * Creates a trainer for all weights on replicas with one rank each. Each rank stores AdamW's moments for its slice
     * of the weights.
     */
    public static Trainer full(List<TrainingModel> models, ModelFolder base, TrainingRun run) {
        TrainingMemory memory = memory(models, run, (m, weights) -> m.fullBytes(weights, models.size()));
        TrainingRanks<FullParameters> ranks = new TrainingRanks<>(models, memory,
                (weights, place) -> FullParameters.load(weights, place, base));
        return new Trainer(run, memory, new Trainee(ranks, run.manifest("full", null),
                ModelExport.like(base, context(models), ranks.parameters().getFirst())));
    }

    /**
     * Creates a trainer for a new model with random weights, drawn from the run's seed.
     *
     * @param weights weights of the new model; the trainer overwrites them with the initial values, and with the
     *                trained values after each step. The result has the dtype that the config of the weights states
     * @param folder  folder whose tokenizer is copied to the result
     * @param run     data, settings and output folder
     */
    public static Trainer fresh(Weights weights, Path folder, TrainingRun run) {
        return fresh(List.of(TrainingModel.of(weights)), folder, run);
    }

    /** Creates a trainer for a new model with random weights, on replicas with one rank each. */
    public static Trainer fresh(List<TrainingModel> models, Path folder, TrainingRun run) {
        TrainingMemory memory = memory(models, run, (m, weights) -> m.fullBytes(weights, models.size()));
        TrainingRanks<FullParameters> ranks = new TrainingRanks<>(models, memory,
                (weights, place) -> FullParameters.random(weights, place, run.train().seed()));
        return new Trainer(run, memory, new Trainee(ranks, run.manifest("fresh", null), ModelExport.fresh(folder,
                config(models), context(models), ranks.parameters().getFirst())));
    }

    private static Context context(List<TrainingModel> models) {
        return models.getFirst().weights().getFirst().context();
    }

    private static Blueprint config(List<TrainingModel> models) {
        return models.getFirst().weights().getFirst().config();
    }

    private static DataOrder order(TrainingRun run, List<TrainingSequence> sequences) {
        return new DataOrder(sequences, run.data().packTo(), run.train());
    }

    /**
     * Returns the smallest training memory with which this run is possible: memory for the run's largest micro-batch
     * and for the kept activations of one layer.
     */
    public static TrainingMemory memory(TrainingRun run) {
        MicroBatchLimits limits = order(run, run.data().train()).limits();
        if (!run.data().validation().isEmpty()) {
            limits = limits.max(order(run, run.data().validation()).limits());
        }
        return TrainingMemory.least(limits);
    }

    /**
     * Returns the training memory of the run. Without activation checkpointing, this is the largest training memory
     * that fits into the free memory of every rank's device. With activation checkpointing, this is the smallest
     * training memory. All ranks keep the activations of the same layers, because the ranks of a sharded model must
     * recompute the other layers together.
     */
    private static TrainingMemory memory(List<TrainingModel> models, TrainingRun run,
            ToLongBiFunction<TrainingMemory, Weights> bytes) {
        run.data().requireFits(config(models));
        TrainingMemory least = memory(run);
        if (run.train().activationCheckpointing()) {
            return least;
        }
        List<Weights> ranks = models.stream().flatMap(model -> model.weights().stream()).toList();
        int kept = config(models).numHiddenLayers();
        for (Weights weights : ranks) {
            int device = weights.context().deviceNumber();
            long onDevice = ranks.stream().filter(rank -> rank.context().deviceNumber() == device).count();
            long free = weights.context().memoryInfo().free() / onDevice / 100 * 95;
            kept = Math.min(kept, TrainingMemory.fitting(least.limits(), weights.config(), free,
                    m -> bytes.applyAsLong(m, weights)).keptLayers());
        }
        return new TrainingMemory(least.limits(), kept);
    }

    /**
     * Trains from the latest checkpoint to the last step, or until {@link TrainProgress#enough} returns true. Then
     * writes the result, unless it already exists or {@link TrainProgress#wantsResult} returns false.
     *
     * @throws InputException if the output folder cannot be used, or if a loss or gradient norm is not finite
     */
    public TrainReport train(TrainProgress progress) {
        try (TrainingFolder folder = TrainingFolder.open(run.output(), manifest)) {
            Checkpoints checkpoints = new Checkpoints(folder.checkpoints(), ranks.state(),
                    target -> {
                        if (export.inCheckpoints()) {
                            export.write(target);
                        }
                    });
            TrainingState state = checkpoints.latest().orElse(TrainingState.START);
            folder.metrics().cut(state.metricsBytes());
            folder.log("step " + state.step() + " of " + order.steps()
                    + ": training starts; the activations of the last " + memory.keptLayers()
                    + " layers are kept and those of the others are recomputed");
            if (state.step() > 0) {
                checkpoints.prune(run.train().keepCheckpoints(), state.bestStep());
                checkpoints.load(state.step());
                ranks.updated();
            }
            tokens = 0;
            began = System.nanoTime();
            while (state.step() < order.steps() && !progress.enough(state.step())) {
                state = next(state, folder, checkpoints, progress);
            }
            ranks.fallbacks().forEach((what, calls) -> folder.log("fallback, " + calls + " calls: " + what));
            return finish(state, folder, checkpoints, progress.wantsResult());
        }
    }

    private TrainingState next(TrainingState before, TrainingFolder folder, Checkpoints checkpoints,
            TrainProgress progress) {
        TrainingState state = step(before, folder);
        boolean better = false;
        if (!validation.isEmpty() && due(state.step(), run.train().evalEvery())) {
            double loss = validate();
            folder.metrics().append(new ValidationMetrics(state.step(), loss));
            TrainingState validated = state.validated(loss);
            better = validated.bestStep() == state.step();
            state = validated;
            progress.validated(state.step(), loss);
        }
        if (better || due(state.step(), run.train().checkpointEvery())) {
            state = state.written(folder.metrics().force());
            checkpoints.write(state);
            checkpoints.prune(run.train().keepCheckpoints(), state.bestStep());
            folder.log("step " + state.step() + ": checkpoint");
        }
        progress.trained(new TrainProgress.Step(state.step(), order.steps(), state.lastLoss(), tokensPerSecond()));
        return state;
    }

    private double tokensPerSecond() {
        return tokens / Math.max(1e-9, (System.nanoTime() - began) * 1e-9);
    }

    /**
     * Whether a validation or a checkpoint is due after a step. Both are due after the last step of the run. They are
     * also due after each multiple of {@code every} or, if {@code every} is 0, after the last step of each epoch.
     */
    private boolean due(int step, int every) {
        return step == order.steps() || step % (every == 0 ? order.stepsPerEpoch() : every) == 0;
    }

    private TrainingState step(TrainingState state, TrainingFolder folder) {
        int step = state.step() + 1;
        List<MicroBatch> batches = order.step(step);
        int targets = batches.stream().mapToInt(MicroBatch::targetCount).sum();
        TrainingRanks.Step done = ranks.step(step, order.steps(), batches, run.optimizer());
        double loss = done.loss() / targets;
        float norm = done.norm();
        int stepTokens = batches.stream().mapToInt(MicroBatch::tokens).sum();
        if (!Double.isFinite(loss) || !Float.isFinite(norm)) {
            throw InputException.field("learningRate", "the loss of step " + step + " is " + loss
                    + " and its gradient norm " + norm
                    + ", expected finite numbers; try a learning rate below " + run.optimizer().learningRate());
        }
        tokens += stepTokens;
        folder.metrics().append(new StepMetrics(step, loss, run.optimizer().learningRate(step, order.steps()), norm,
                stepTokens, targets));
        return state.trained(step, loss);
    }

    private double validate() {
        tokens += validation.stream().mapToLong(MicroBatch::tokens).sum();
        return ranks.loss(validation) / validation.stream().mapToLong(MicroBatch::targetCount).sum();
    }

    private TrainReport finish(TrainingState state, TrainingFolder folder, Checkpoints checkpoints, boolean wanted) {
        Path result = folder.result(export.name());
        int chosen = state.bestStep() > 0 ? state.bestStep() : state.step();
        if (wanted && !Files.exists(result)) {
            if (chosen != state.step()) {
                checkpoints.load(chosen);
                ranks.updated();
            }
            DurableFolder.write(result, export::write);
            folder.log("step " + chosen + ": written to " + export.name());
        }
        return new TrainReport(result, run.data().train().size(), state.step(), state.firstLoss(), state.lastLoss(),
                chosen, state.bestLoss());
    }

    @Override
    public void close() {
        ranks.close();
    }

    /** A line of metrics.jsonl. */
    @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
    private record StepMetrics(int step, double loss, double learningRate, double gradNorm, int tokens,
            int targetTokens) {
    }

    /** A line of metrics.jsonl. */
    @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
    private record ValidationMetrics(int step, double validationLoss) {
    }
}
