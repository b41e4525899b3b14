package org.ingrain.train.data;

import java.util.List;

/**
 * The concatenated sequences of one forward and backward pass. The S sequences have T tokens in total, of which M are
 * targets.
 *
 * @param ids        (T) token ids
 * @param positions  (T) position of each token in its sequence, from 0
 * @param offsets    (S + 1) first row of each sequence; the last entry is T
 * @param targetRows (M) rows that predict a target, in ascending order; the target of a row is the token of the next
 *                   row
 * @param targets    (M) token ids of the targets, in the order of {@code targetRows}
 */
public record MicroBatch(int[] ids, int[] positions, int[] offsets, int[] targetRows, int[] targets) {
    /** Concatenates sequences in the order of the list. */
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

    /** T, the number of tokens. */
    public int tokens() {
        return ids.length;
    }

    /** S, the number of sequences. */
    public int sequences() {
        return offsets.length - 1;
    }

    /** M, the number of targets. */
    public int targetCount() {
        return targets.length;
    }
}
