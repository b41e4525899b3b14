package org.ingrain.sample;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.model.Step;

/**
 * The tokens of one sequence that a step computes.
 *
 * @param sequence     the sequence
 * @param tokens       number of tokens
 * @param group        number of the slice's group. The slices of a group are adjacent in the step. Their sequences
 *                     share leading blocks
 * @param prefixBlocks number of leading blocks that all sequences of the group share
 */
record Slice(Sequence sequence, int tokens, int group, int prefixBlocks) {
    Slice(Sequence sequence, int tokens) {
        this(sequence, tokens, 0, 0);
    }

    /** The cache blocks, group and adapter slot of the sequence in the step. */
    Step.Placement placement() {
        return new Step.Placement(sequence.table.blocks(), group, prefixBlocks, sequence.table.adapterSlot());
    }

    /** Returns the slices, each in a separate group. */
    static List<Slice> separate(List<Slice> slices) {
        List<Slice> numbered = new ArrayList<>();
        for (Slice slice : slices) {
            numbered.add(slice.in(numbered.size(), 0));
        }
        return numbered;
    }

    /**
     * Groups the slices whose sequences have the same first block, and returns the slices group by group. If a request
     * has several samples, its samples form groups only with each other. Sets {@code prefixBlocks} to the number of
     * leading blocks that all members of the group share.
     */
    static List<Slice> group(List<Slice> slices) {
        Map<Object, List<Slice>> groups = new LinkedHashMap<>();
        for (Slice slice : slices) {
            groups.computeIfAbsent(slice.key(), key -> new ArrayList<>()).add(slice);
        }
        List<Slice> grouped = new ArrayList<>();
        int group = 0;
        for (List<Slice> members : groups.values()) {
            int shared = members.size() == 1 ? 0 : sharedBlocks(members);
            for (Slice slice : members) {
                grouped.add(slice.in(group, shared));
            }
            group++;
        }
        return grouped;
    }

    private Slice in(int newGroup, int newPrefixBlocks) {
        return new Slice(sequence, tokens, newGroup, newPrefixBlocks);
    }

    private Object key() {
        boolean several = sequence.ticket.request.samples() > 1;
        return several ? List.of(sequence.ticket, sequence.table.first()) : sequence.table.first();
    }

    /** Number of leading blocks that all members have in common and that were computed before this step. */
    private static int sharedBlocks(List<Slice> members) {
        BlockTable first = members.getFirst().sequence.table;
        return members.stream().mapToInt(member -> member.sequence.table.shared(first)).min().orElse(0);
    }
}
