package org.ingrain.train.data;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Packs sequences into bins of at most a given number of tokens. Attention does not cross the boundaries between the
 * sequences of a bin.
 */
final class Packing {
    private Packing() {
    }

    /**
     * Packs by best fit decreasing. Sequences are placed from the longest to the shortest, each in the fullest bin into
     * which it fits. Of equally long sequences, the one with the lower index is placed first. Of equally full bins, the
     * one that was created first is used. The result therefore depends only on the arguments.
     *
     * @param lengths  lengths of the sequences in tokens, each at most {@code capacity}
     * @param capacity maximum number of tokens in a bin
     * @return the indices of the sequences in each bin
     */
    static List<int[]> bestFit(int[] lengths, int capacity) {
        List<List<Integer>> bins = new ArrayList<>();
        TreeMap<Integer, TreeSet<Integer>> binsByRoom = new TreeMap<>();
        List<Integer> decreasing = IntStream.range(0, lengths.length).boxed()
                .sorted(Comparator.comparingInt((Integer i) -> -lengths[i]).thenComparingInt(i -> i)).toList();
        for (int i : decreasing) {
            if (lengths[i] > capacity) {
                throw new IllegalArgumentException("a sequence of " + lengths[i] + " tokens, expected at most "
                        + capacity);
            }
            var fullest = binsByRoom.ceilingEntry(lengths[i]);
            int bin;
            int room;
            if (fullest == null) {
                bin = bins.size();
                room = capacity;
                bins.add(new ArrayList<>());
            } else {
                bin = fullest.getValue().first();
                room = fullest.getKey();
                fullest.getValue().remove(bin);
                if (fullest.getValue().isEmpty()) {
                    binsByRoom.remove(room);
                }
            }
            bins.get(bin).add(i);
            binsByRoom.computeIfAbsent(room - lengths[i], r -> new TreeSet<>()).add(bin);
        }
        return bins.stream().map(bin -> bin.stream().mapToInt(Integer::intValue).toArray()).toList();
    }

    /** Returns bins with one sequence each. */
    static List<int[]> apart(int sequences) {
        return IntStream.range(0, sequences).mapToObj(i -> new int[] {i}).toList();
    }
}
