package org.ingrain.train.data;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Puts sequences into bins of a fixed number of tokens. Sequences of one bin stay apart: nothing attends across them.
 */
final class Packing {
    private Packing() {
    }

    /**
     * Best fit decreasing: from the longest to the shortest, each goes into the fullest bin that has room. Equal
     * lengths go by index and equally full bins by age, so the result depends on the arguments alone.
     *
     * @param lengths in tokens, each at most capacity
     * @return indices of the members of each bin
     */
    static List<int[]> bestFit(int[] lengths, int capacity) {
        List<List<Integer>> bins = new ArrayList<>();
        TreeMap<Integer, TreeSet<Integer>> binsByRoom = new TreeMap<>();
        List<Integer> decreasing = IntStream.range(0, lengths.length).boxed()
                .sorted(Comparator.comparingInt((Integer i) -> -lengths[i]).thenComparingInt(i -> i)).toList();
        for (int i : decreasing) {
            if (lengths[i] > capacity) {
                throw new IllegalArgumentException("a sequence of " + lengths[i] + " tokens in bins of " + capacity);
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

    /** Every sequence a bin of its own. */
    static List<int[]> apart(int sequences) {
        return IntStream.range(0, sequences).mapToObj(i -> new int[] {i}).toList();
    }
}
