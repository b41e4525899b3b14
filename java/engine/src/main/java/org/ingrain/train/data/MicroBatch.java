package org.ingrain.train.data;

import java.util.List;

/**
 * Sequences of one forward and backward pass, end to end: T tokens of S sequences, M of them targets.
 *
 * @param ids        (T)
 * @param positions  (T) from 0 in each sequence
 * @param offsets    (S + 1) first row of each sequence; the last entry is T
 * @param targetRows (M) rows that predict a target, ascending: the row before it
 * @param targets    (M) the token each of them should predict
 */
public record MicroBatch(int[] ids, int[] positions, int[] offsets, int[] targetRows, int[] targets) {
    /** Joins sequences in this order. */
    public static MicroBatch of(List<TrainingSequence> sequences) {
        int t = sequences.stream().mapToInt(TrainingSequence::length).sum();
        int m = sequences.stream().mapToInt(TrainingSequence::targetCount).sum();
        MicroBatch batch = new MicroBatch(new int[t], new int[t], new int[sequences.size() + 1], new int[m],
                new int[m]);
        int row = 0;
        int target = 0;
        for (int s = 0; s < sequences.size(); s++) {
            TrainingSequence sequence = sequences.get(s);
            for (int i = 0; i < sequence.length(); i++) {
                batch.ids[row + i] = sequence.ids()[i];
                batch.positions[row + i] = i;
                if (sequence.targets().get(i)) {
                    batch.targetRows[target] = row + i - 1;
                    batch.targets[target++] = sequence.ids()[i];
                }
            }
            row += sequence.length();
            batch.offsets[s + 1] = row;
        }
        return batch;
    }

    /** T. */
    public int tokens() {
        return ids.length;
    }

    /** S. */
    public int sequences() {
        return offsets.length - 1;
    }

    /** M. */
    public int targetCount() {
        return targets.length;
    }
}
