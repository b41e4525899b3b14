package org.ingrain.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.ToLongFunction;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.Context;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.Manifest;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Weights;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.DataOrder;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.DecoderTraining;
import org.ingrain.train.pass.FullParameters;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.LoraParameters;
import org.ingrain.train.pass.Parameters;
import org.ingrain.train.pass.TrainingMemory;
import org.ingrain.train.run.AdapterExport;
import org.ingrain.train.run.Checkpoints;
import org.ingrain.train.run.Export;
import org.ingrain.train.run.ModelExport;
import org.ingrain.train.run.StateFile;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingFolder;
import org.ingrain.train.run.TrainingRun;
import org.ingrain.train.run.TrainingState;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.annotation.JsonNaming;

/**
 * Trains to the end, or goes on from the latest checkpoint of a run that was killed, to the same bits. A step's
 * gradients are those of the mean loss over all its target tokens. A checkpoint follows every checkpointEvery steps,
 * the last step, and every validation better than those before; the result has the weights of the best validation, or
 * of the last step where nothing is watched.
 */
public final class Trainer implements AutoCloseable {
    private final Context context;
    private final Parameters parameters;
    private final TrainingRun run;
    private final Manifest manifest;
    private final Export export;
    private final DecoderTraining training;
    private final TrainingMemory memory;
    private final DataOrder order;
    private final List<MicroBatch> validation;
    private long tokens;
    private long began;

    /** What is trained, what is said of it in run.json, and how it leaves the run. */
    private record Trainee(Parameters parameters, Manifest manifest, Export export) {
    }

    private Trainer(Weights weights, TrainingRun run, TrainingMemory memory, Trainee trainee) {
        context = weights.context();
        this.run = run;
        parameters = trainee.parameters;
        manifest = trainee.manifest;
        export = trainee.export;
        run.data().requireFits(weights.config());
        training = new DecoderTraining(context, weights, parameters, memory);
        this.memory = memory;
        order = order(run, run.data().train());
        validation = run.data().validation().isEmpty() ? List.of() : order(run, run.data().validation()).inOrder();
    }

    /**
     * Trains an adapter.
     *
     * @param weights   of the frozen model
     * @param baseModel what the adapter's config names as its base model
     * @param from      an adapter's modules to begin with, or empty for new ones; the run's provenance names it
     * @throws InputException if {@code from} has another rank, scaling or other projections than are trained
     */
    public static Trainer lora(Weights weights, LoraConfig lora, String baseModel, List<LoraModule> from,
                               TrainingRun run) {
        TrainingMemory memory = memory(weights, run, m -> m.loraBytes(weights, lora));
        LoraParameters parameters = new LoraParameters(weights.context(), weights.config(), lora, run.train().seed(),
                memory);
        if (!from.isEmpty()) {
            parameters.load(from);
        }
        return new Trainer(weights, run, memory, new Trainee(parameters, run.manifest("lora", lora),
                new AdapterExport(parameters, lora, baseModel)));
    }

    /**
     * Trains all weights.
     *
     * @param weights made anew after each step
     * @param base    where they were loaded from; the result is a folder like it
     */
    public static Trainer full(Weights weights, ModelFolder base, TrainingRun run) {
        TrainingMemory memory = memory(weights, run, m -> m.fullBytes(weights));
        FullParameters parameters = FullParameters.load(weights, base);
        return new Trainer(weights, run, memory, new Trainee(parameters, run.manifest("full", null),
                ModelExport.like(base, weights.context(), parameters)));
    }

    /**
     * Trains a new model from random weights, drawn from the run's seed.
     *
     * @param weights overwritten; their config's dtype is the result's
     * @param folder  whose tokenizer the result has
     */
    public static Trainer fresh(Weights weights, Path folder, TrainingRun run) {
        TrainingMemory memory = memory(weights, run, m -> m.fullBytes(weights));
        FullParameters parameters = FullParameters.random(weights, run.train().seed());
        return new Trainer(weights, run, memory, new Trainee(parameters, run.manifest("fresh", null),
                ModelExport.fresh(folder, weights.config(), weights.context(), parameters)));
    }

    private static DataOrder order(TrainingRun run, List<TrainingSequence> sequences) {
        return new DataOrder(sequences, run.data().packTo(), run.train());
    }

    /** The least that this run's passes need room for. */
    public static TrainingMemory memory(TrainingRun run) {
        MicroBatchLimits limits = order(run, run.data().train()).limits();
        if (!run.data().validation().isEmpty()) {
            limits = limits.max(order(run, run.data().validation()).limits());
        }
        return TrainingMemory.least(limits);
    }

    /** The most that what is free on the device has room for, unless the run asks for the least. */
    private static TrainingMemory memory(Weights weights, TrainingRun run, ToLongFunction<TrainingMemory> bytes) {
        TrainingMemory least = memory(run);
        return run.train().activationCheckpointing() ? least
                : TrainingMemory.fitting(least.limits(), weights.config(),
                        weights.context().memoryInfo().free() / 100 * 95, bytes);
    }

    /**
     * Trains to the end and writes the result, unless {@code progress} wants none; what is done already is not done
     * again.
     */
    public TrainReport train(TrainProgress progress) {
        try (TrainingFolder folder = TrainingFolder.open(run.output(), manifest)) {
            Checkpoints checkpoints = new Checkpoints(folder.checkpoints(), new StateFile(context), parameters.flat(),
                    target -> {
                        if (export.inCheckpoints()) {
                            export.write(target);
                        }
                    });
            TrainingState state = checkpoints.latest().orElse(TrainingState.START);
            folder.metrics().cut(state.metricsBytes());
            folder.log("step " + state.step() + " of " + order.steps() + ": begins; activations of the last "
                    + memory.keptLayers()
                    + " layers are kept, those of the others are computed again");
            if (state.step() > 0) {
                checkpoints.prune(run.train().keepCheckpoints(), state.bestStep());
                checkpoints.load(state.step());
                parameters.updated();
            }
            tokens = 0;
            began = System.nanoTime();
            while (state.step() < order.steps() && !progress.enough(state.step())) {
                state = next(state, folder, checkpoints, progress);
            }
            context.fallbacks().forEach((what, calls) -> folder.log("fallback, " + calls + " calls: " + what));
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

    /** True after the last step and after every {@code every} steps, or after each epoch where {@code every} is 0. */
    private boolean due(int step, int every) {
        return step == order.steps() || step % (every == 0 ? order.stepsPerEpoch() : every) == 0;
    }

    private TrainingState step(TrainingState state, TrainingFolder folder) {
        int step = state.step() + 1;
        List<MicroBatch> batches = order.step(step);
        int targets = batches.stream().mapToInt(MicroBatch::targetCount).sum();
        parameters.flat().zeroGradients();
        double sum = 0;
        int stepTokens = 0;
        for (int i = 0; i < batches.size(); i++) {
            sum += training.accumulate(batches.get(i), step, i, 1f / targets);
            stepTokens += batches.get(i).tokens();
        }
        double loss = sum / targets;
        float norm = parameters.flat().step(run.optimizer(), step, order.steps());
        parameters.updated();
        if (!Double.isFinite(loss) || !Float.isFinite(norm)) {
            throw InputException.field("learningRate", "the loss of step " + step + " is " + loss
                    + " and its gradient norm " + norm
                    + ", expected numbers; try a smaller one than " + run.optimizer().learningRate());
        }
        tokens += stepTokens;
        folder.metrics().append(new StepMetrics(step, loss, run.optimizer().learningRate(step, order.steps()), norm,
                stepTokens, targets));
        return state.trained(step, loss);
    }

    private double validate() {
        double sum = 0;
        long targets = 0;
        for (MicroBatch batch : validation) {
            sum += training.loss(batch);
            targets += batch.targetCount();
            tokens += batch.tokens();
        }
        return sum / targets;
    }

    private TrainReport finish(TrainingState state, TrainingFolder folder, Checkpoints checkpoints, boolean wanted) {
        Path result = folder.result(export.name());
        int chosen = state.bestStep() > 0 ? state.bestStep() : state.step();
        if (wanted && !Files.exists(result)) {
            if (chosen != state.step()) {
                checkpoints.load(chosen);
                parameters.updated();
            }
            DurableFolder.write(result, export::write);
            folder.log("step " + chosen + ": written to " + export.name());
        }
        return new TrainReport(result, run.data().train().size(), state.step(), state.firstLoss(), state.lastLoss(),
                chosen, state.bestLoss());
    }

    @Override
    public void close() {
        training.close();
        parameters.close();
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
