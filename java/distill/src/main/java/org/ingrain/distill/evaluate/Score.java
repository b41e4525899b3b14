package org.ingrain.distill.evaluate;

import java.util.List;
import org.ingrain.distill.curate.Ballot;

/**
 * One question of an arm.
 *
 * @param answer the most voted, of one vote as a rule; null if there was none
 * @param tokens generated for this question, intermediate ones included
 */
public record Score(String id, String question, String gold, String answer, boolean right, int tokens, List<Ballot.Answer> answers) {
}
