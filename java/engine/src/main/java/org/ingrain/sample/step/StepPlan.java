package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.model.Step;

/**
 * One step as data: which tokens are computed, where their keys and values are cached, and what is drawn from their
 * logits. A plan holds numbers alone and is not changed once it is made, so that the runners of all ranks can run the
 * same plan. Plans run in the order they were made: the next step may read ids that this one draws.
 *
 * <p>Example, with blocks of 4 tokens. Sequence 0 computes a prompt of 6 tokens in blocks 0 and 1; sequence 1 computes
 * one token at position 9, whose id the step before drew in row 2, in blocks 4, 5 and 6:
 * <pre>
 *   parts      {ids 11 12 13 14 15 16, from 0, drawnRow -1, blocks 0 1}    rows 0 to 5 of the step
 *              {ids 0,                 from 9, drawnRow  2, blocks 4 5 6}  row 6
 *   logitRows  5 6                       row 5 is row 0 of the logits, row 6 is row 1
 *   draws      {logitRow 0, sequence 0, position 6}
 *              {logitRow 0, sequence 1, position 6}    a second sample of the same prompt
 *              {logitRow 1, sequence 0, position 10}
 *   copies     1 2                       the second sample gets a copy of the partly filled block 1
 * </pre>
 *
 * @param parts     sequences of the batch, one below another; empty in a plan that only draws again from the logits of
 *                  the plan before
 * @param logitRows rows of the step whose logits are wanted
 * @param draws     tokens to draw
 * @param scores    known tokens whose log-probabilities are wanted
 * @param copies    source and destination in turn, of cache blocks to be copied after the parts are computed
 * @param drawAgain whether the next plan draws from the logits of this one
 */
public record StepPlan(List<Part> parts, int[] logitRows, List<Draw> draws, List<Score> scores, int[] copies,
        boolean drawAgain) {
    /**
     * The tokens of one sequence.
     *
     * @param ids      of the tokens; not read where drawnRow is not -1
     * @param from     position of the first
     * @param drawnRow row, among what the step before draws, of the one token; -1 if all ids are known
     * @param place    in the cache
     */
    public record Part(int[] ids, int from, int drawnRow, Step.Placement place) {
    }

    /**
     * One token to draw. Seed, sequence and position key its random number.
     *
     * @param logitRow    row of the logits
     * @param sequence    number of the sample within its request
     * @param position    of the token in its sequence
     * @param temperature 0 for greedy
     * @param topK        0 for no limit
     * @param topP        1 for no limit
     */
    public record Draw(int logitRow, int sequence, int position, float temperature, int topK, float topP, long seed) {
        static final Draw GREEDY = new Draw(0, 0, 0, 0, 0, 1, 0);
    }

    /**
     * Known tokens whose log-probabilities are wanted.
     *
     * @param firstLogit row of the logits that the first is scored by, the others by those that follow
     * @param targets    ids
     */
    public record Score(int firstLogit, int[] targets) {
    }

    public StepPlan {
        parts = List.copyOf(parts);
        draws = List.copyOf(draws);
        scores = List.copyOf(scores);
    }

    int tokens() {
        return parts.stream().mapToInt(part -> part.ids.length).sum();
    }

    boolean adapters() {
        return parts.stream().anyMatch(part -> part.place.adapterSlot() >= 0);
    }

    int scoredTokens() {
        return scores.stream().mapToInt(score -> score.targets.length).sum();
    }

    /** True if every row draws the one token that follows it, and nothing else is to be done. */
    boolean decodesOnly() {
        return !parts.isEmpty() && draws.size() == parts.size() && logitRows.length == parts.size() && !drawAgain
                && scores.isEmpty() && copies.length == 0 && parts.stream().allMatch(part -> part.ids.length == 1);
    }
}
