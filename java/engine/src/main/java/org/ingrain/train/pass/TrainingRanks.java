package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiFunction;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.train.data.MicroBatch;

/**
 * The ranks of a training run. The run has replicas of a model, and each replica is sharded over its ranks. Each rank
 * has its own thread, parameters and activations. A single rank uses the calling thread.
 *
 * <p>An optimizer step is divided into turns. In each turn, every replica computes at most one micro-batch. In
 * deterministic mode, the gradients of all replicas are added after each turn, so that the order of summation is fixed
 * (see {@link FlatParameters}). Without deterministic mode, each replica first sums the gradients of its own
 * micro-batches, and the sums are added once per step. All replicas have the same values after every step.
 *
 * @param <P> type of the trained parameters
 */
public final class TrainingRanks<P extends Parameters> implements AutoCloseable {
    private final List<TrainingModel> models;
    private final int shards;
    private final List<TrainingPlace> places = new ArrayList<>();
    /**
     * One communicator per shard. It connects the ranks that have this shard in the different replicas. The list is
     * empty if there is only one replica.
     */
    private final List<Communicator> alike = new ArrayList<>();
    private final List<P> parameters = new ArrayList<>();
    private final List<DecoderTraining> trainings = new ArrayList<>();
    private final boolean everyTurn;
    private final ExecutorService replicas = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicReference<RuntimeException> failure = new AtomicReference<>();

    /**
     * The result of a step.
     *
     * @param loss sum of −log p over the targets of the step
     * @param norm L2 norm of the gradients before clipping
     */
    public record Step(double loss, float norm) {
    }

    /**
     * Creates the parameters and activations of all ranks.
     *
     * @param models replicas of one model, with equal numbers of ranks
     * @param memory sizes of the activations
     * @param make   creates the parameters of a rank; called on the rank's thread
     */
    public TrainingRanks(List<TrainingModel> models, TrainingMemory memory,
            BiFunction<Weights, TrainingPlace, P> make) {
        this.models = List.copyOf(models);
        shards = models.getFirst().weights().size();
        everyTurn = context(0).deterministic();
        try {
            for (int s = 0; s < shards && models.size() > 1; s++) {
                alike.add(new Communicator(context(0).backend(), models.size()));
            }
            for (int i = 0; i < models.size() * shards; i++) {
                places.add(new TrainingPlace(weights(i).config(), new Rank(i % shards, shards),
                        models.get(i / shards).ranks().communicator(), i / shards, models.size(),
                        alike.isEmpty() ? null : alike.get(i % shards)));
            }
            if (!alike.isEmpty()) {
                // The first time a rank joins a communicator, it allocates memory, and an allocation may wait for the
                // device. So all ranks join now. During training, the device could be executing a collective that waits
                // for this rank, which would be a deadlock.
                run(i -> {
                    places.get(i).amongReplicas(context(i), () -> { });
                    return i;
                });
            }
            parameters.addAll(run(i -> make.apply(weights(i), places.get(i))));
            trainings.addAll(run(i -> new DecoderTraining(context(i), weights(i), parameters.get(i), memory)));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private Weights weights(int rank) {
        return models.get(rank / shards).weights().get(rank % shards);
    }

    private Context context(int rank) {
        return weights(rank).context();
    }

    /** Runs work on every rank and waits. Returns the results in rank order. */
    private <T> List<T> run(IntFunction<T> work) {
        if (models.size() == 1) {
            return models.getFirst().ranks().run(work);
        }
        if (failure.get() == null) {
            List<Future<List<T>>> results = IntStream.range(0, models.size()).mapToObj(replica -> replicas.submit(
                    () -> models.get(replica).ranks().run(shard -> guarded(replica, shard, work)))).toList();
            try {
                List<T> all = new ArrayList<>();
                for (Future<List<T>> result : results) {
                    all.addAll(result.get());
                }
                return all;
            } catch (ExecutionException e) {
                failure.compareAndSet(null, e.getCause() instanceof RuntimeException known ? known
                        : new IllegalStateException(e.getCause()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while replicas were training", e);
            }
        }
        throw failure.get();
    }

    /**
     * Runs the work of one rank. If the work throws an exception, closes the communicators, so that no other rank waits
     * for this rank.
     */
    private <T> T guarded(int replica, int shard, IntFunction<T> work) {
        try {
            return work.apply(replica * shards + shard);
        } catch (RuntimeException | Error e) {
            failure.compareAndSet(null, models.get(replica).ranks().failed(shard, e));
            alike.forEach(Communicator::close);
            throw e;
        }
    }

    /**
     * Executes an optimizer step.
     *
     * @param step    number of the step, from 1
     * @param steps   number of steps of the run
     * @param batches micro-batches of the step
     */
    public Step step(int step, int steps, List<MicroBatch> batches, OptimizerConfig optimizer) {
        int targets = batches.stream().mapToInt(MicroBatch::targetCount).sum();
        List<double[]> losses = run(i -> {
            double[] own = accumulate(i, step, batches, 1f / targets);
            parameters.get(i).flat().completeShared();
            return own;
        });
        boolean scattered = parameters.getFirst().flat().scatters();
        List<Float> norms = shards == 1 && !scattered
                ? run(i -> parameters.get(i).flat().step(optimizer, step, steps))
                : sharedStep(step, steps, scattered ? models.size() : shards, optimizer);
        run(i -> {
            parameters.get(i).updated();
            return i;
        });
        return new Step(inOrder(losses, batches.size()), norms.getFirst());
    }

    /** Executes the update of a step. The gradient norm is computed from the parts of ranks 0 to {@code parts - 1}. */
    private List<Float> sharedStep(int step, int steps, int parts, OptimizerConfig optimizer) {
        List<Double> squares = run(i -> parameters.get(i).flat().squares());
        float norm = (float) Math.sqrt(squares.subList(0, parts).stream().mapToDouble(d -> d).sum());
        return run(i -> {
            parameters.get(i).flat().step(optimizer, step, steps, norm);
            return norm;
        });
    }

    /** Sums the gradients of a step over all micro-batches. Returns the losses of this rank's micro-batches. */
    private double[] accumulate(int rank, int step, List<MicroBatch> batches, float scale) {
        FlatParameters flat = parameters.get(rank).flat();
        flat.zeroGradients();
        int turns = Math.ceilDiv(batches.size(), models.size());
        double[] losses = new double[turns];
        for (int turn = 0; turn < turns; turn++) {
            int i = turn * models.size() + places.get(rank).replica();
            if (i < batches.size()) {
                losses[turn] = trainings.get(rank).accumulate(batches.get(i), step, i, scale);
            }
            boolean last = turn == turns - 1;
            if (models.size() > 1 && (last || everyTurn)) {
                flat.reduce();
                if (!last) {
                    flat.goOn();
                }
            }
        }
        return losses;
    }

    /** Returns the sum of −log p over the targets of all batches, computed without dropout. */
    public double loss(List<MicroBatch> batches) {
        return inOrder(run(rank -> IntStream.iterate(places.get(rank).replica(), i -> i < batches.size(),
                i -> i + models.size()).mapToDouble(i -> trainings.get(rank).loss(batches.get(i))).toArray()),
                batches.size());
    }

    /** Sums the losses of all batches in the order of the batches. */
    private double inOrder(List<double[]> ofRanks, int batches) {
        double sum = 0;
        for (int i = 0; i < batches; i++) {
            sum += ofRanks.get(i % models.size() * shards)[i / models.size()];
        }
        return sum;
    }

    /**
     * Updates the weights that the forward pass reads. Must be called after tensors of {@link #state} have been
     * written.
     */
    public void updated() {
        run(i -> {
            parameters.get(i).updated();
            return i;
        });
    }

    /** The tensors that a checkpoint stores. */
    public TrainedState state() {
        long elements = parameters.getFirst().elements();
        List<TrainedState.Builder> vectors = Stream.generate(TrainedState.Builder::new).limit(3).toList();
        parameters.forEach(p -> p.addState(vectors));
        return new TrainedState(vectors.stream().flatMap(vector -> vector.build(elements).stream()).toList());
    }

    /** The parameters of the ranks of one replica. */
    public List<P> parameters() {
        return List.copyOf(parameters.subList(0, shards));
    }

    /**
     * Number of op calls for which a slower kernel replaced the intended kernel, summed over all ranks. The key of an
     * entry states the op, its sizes and the reason.
     */
    public SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>();
        run(i -> context(i).fallbacks()).forEach(calls -> calls.forEach((what, n) -> all.merge(what, n, Long::sum)));
        return all;
    }

    /**
     * Frees the memory of training but not the weights. If a rank has failed, the memory is freed only when the
     * contexts are closed.
     */
    @Override
    public void close() {
        replicas.close();
        if (models.stream().noneMatch(model -> model.ranks().hasFailed())) {
            trainings.forEach(DecoderTraining::close);
            parameters.forEach(Parameters::close);
        }
        alike.forEach(Communicator::close);
    }
}
