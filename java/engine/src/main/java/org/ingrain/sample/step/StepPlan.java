package org.ingrain.sample.step;

import java.util.List;
import org.ingrain.model.Step;

/**
 * The description of one step: the tokens to compute, the cache blocks for their keys and values, and the draws from
 * their logits. A plan contains only numbers and is immutable, so that the runners of all ranks can run the same plan.
 * Steps run in the order in which their plans are created, and a step may read ids that the previous step draws.
 *
 * <p>Example with blocks of 4 tokens. The first part is a prompt of 6 tokens in blocks 0 and 1, for a request of two
 * samples. The second part is one token at position 9 of a sample of another request, in blocks 4, 5 and 6; the id of
 * this token is draw 2 of the previous step. A draw names a sample by its number within the request ({@code sequence}):
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
 * @param parts     sequences of the batch, in row order; empty in a plan that only draws again from the logits of the
 *                  previous plan
 * @param logitRows rows of the step for which logits are computed
 * @param draws     tokens to draw
 * @param scores    known tokens whose log-probabilities are computed
 * @param copies    cache blocks to copy after the parts are computed: alternately the source and the destination
 * @param drawAgain whether the next plan draws again from the logits of this plan
 * @param topTokens number of most probable tokens to compute for each draw and each scored token, 0 to {@value
 *                  #MAX_TOP_TOKENS}
 * @param biases    biases of draws, in the order of the draws, at most one for each draw
 */
public record StepPlan(List<Part> parts, int[] logitRows, List<Draw> draws, List<Score> scores, int[] copies,
        boolean drawAgain, int topTokens, List<Bias> biases) {
    public static final int MAX_TOP_TOKENS = 20;
    /** Maximum number of ids in a {@link Bias}. */
    public static final int MAX_BIASES = 512;

    /**
     * The tokens of one sequence.
     *
     * @param ids      token ids; ignored if {@code drawnRow} is not -1
     * @param from     position of the first token
     * @param drawnRow index among the draws of the previous step, if that step draws the part's only token; -1 if all
     *                 ids are known
     * @param place    cache blocks, group and adapter slot
     */
    public record Part(int[] ids, int from, int drawnRow, Step.Placement place) {
    }

    /**
     * One token to draw. The random number of a draw is a function of seed, sequence and position.
     *
     * @param logitRow    row of the logits
     * @param sequence    number of the sample within its request
     * @param position    position of the token in its sequence
     * @param temperature 0 for greedy decoding
     * @param topK        0 for no limit
     * @param topP        1 for no limit
     * @param seed        seed of the random number generator
     */
    public record Draw(int logitRow, int sequence, int position, float temperature, int topK, float topP, long seed) {
        static final Draw GREEDY = new Draw(0, 0, 0, 0, 0, 1, 0);
    }

    /**
     * Known tokens whose log-probabilities are computed.
     *
     * @param firstLogit row of the logits that predicts the first token; the following rows predict the other tokens
     * @param targets    token ids
     */
    public record Score(int firstLogit, int[] targets) {
    }

    /**
     * Values that are added to the logits from which one token is drawn. The log-probability and the most probable
     * tokens of the draw are computed from the logits without these values.
     *
     * @param draw   index of the draw
     * @param ids    distinct token ids, at most {@value #MAX_BIASES}
     * @param values the value for each id; negative infinity bans the token
     */
    public record Bias(int draw, int[] ids, float[] values) {
    }

    public StepPlan {
        parts = List.copyOf(parts);
        draws = List.copyOf(draws);
        scores = List.copyOf(scores);
        biases = List.copyOf(biases);
    }

    /** Creates a plan without most probable tokens and without biases. */
    public StepPlan(List<Part> parts, int[] logitRows, List<Draw> draws, List<Score> scores, int[] copies,
                    boolean drawAgain) {
        this(parts, logitRows, draws, scores, copies, drawAgain, 0, List.of());
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

    /** Whether every part has one token, one row of logits and one draw, and the plan contains nothing else. */
    boolean decodesOnly() {
        return !parts.isEmpty() && draws.size() == parts.size() && logitRows.length == parts.size() && !drawAgain
                && topTokens == 0 && biases.isEmpty() && scores.isEmpty() && copies.length == 0
                && parts.stream().allMatch(part -> part.ids.length == 1);
    }
}
