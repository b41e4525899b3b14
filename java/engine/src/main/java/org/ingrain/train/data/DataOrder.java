package org.ingrain.train.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Selects the sequences of each optimizer step. The selection depends only on the data, the settings and the step
 * number, so a checkpoint needs to store only the step number. Sequences are packed into bins once. Each epoch shuffles
 * the bins with a different seed. The last step of an epoch may have fewer bins.
 */
public final class DataOrder {
    private static final long ORDER = 1;

    private final List<TrainingSequence> sequences;
    private final List<int[]> bins;
    private final TrainConfig config;

    /** @param packTo tokens per bin, or 0 for one sequence per bin */
    public DataOrder(List<TrainingSequence> sequences, int packTo, TrainConfig config) {
        this.sequences = sequences;
        this.config = config;
        bins = packTo == 0 ? Packing.apart(sequences.size())
                : Packing.bestFit(sequences.stream().mapToInt(TrainingSequence::length).toArray(), packTo);
    }

    public int stepsPerEpoch() {
        return Math.ceilDiv(bins.size(), binsPerStep());
    }

    /** Number of optimizer steps of the run. */
    public int steps() {
        return config.maxSteps() > 0 ? config.maxSteps() : Math.multiplyExact(config.epochs(), stepsPerEpoch());
    }

    /** Returns the micro-batches of a step. Steps are counted from 1. */
    public List<MicroBatch> step(int step) {
        int epoch = (step - 1) / stepsPerEpoch();
        int first = (step - 1) % stepsPerEpoch() * binsPerStep();
        int[] order = new CounterRandom(config.seed()).derive(ORDER, epoch).permutation(bins.size());
        return split(Arrays.copyOfRange(order, first, Math.min(first + binsPerStep(), order.length)));
    }

    /** Returns the micro-batches of all bins in the unshuffled order, for validation. */
    public List<MicroBatch> inOrder() {
        int[] order = new int[bins.size()];
        Arrays.setAll(order, i -> i);
        return split(order);
    }

    /** Upper bounds for the numbers of tokens, sequences and targets of a micro-batch. */
    public MicroBatchLimits limits() {
        return new MicroBatchLimits(largest(sequences.stream().map(TrainingSequence::length).toList()),
                largest(sequences.stream().map(s -> 1).toList()),
                largest(sequences.stream().map(TrainingSequence::targetCount).toList()));
    }

    private int largest(List<Integer> ofSequence) {
        return bins.stream().mapToInt(bin -> -Arrays.stream(bin).map(ofSequence::get).sum()).sorted()
                .limit(config.batchSize()).map(i -> -i)
                .sum();
    }

    private List<MicroBatch> split(int[] chosen) {
        List<MicroBatch> batches = new ArrayList<>();
        for (int begin = 0; begin < chosen.length; begin += config.batchSize()) {
            int end = Math.min(begin + config.batchSize(), chosen.length);
            batches.add(MicroBatch.of(Arrays.stream(chosen, begin, end).mapToObj(bins::get).flatMapToInt(Arrays::stream)
                    .mapToObj(sequences::get).toList()));
        }
        return batches;
    }

    private int binsPerStep() {
        return Math.multiplyExact(config.batchSize(), config.gradientAccumulation());
    }
}
