package org.ingrain.distill.curate;

import java.util.Locale;
import org.ingrain.tensor.InputException;

/**
 * Which examples are kept and with which label.
 *
 * @param rule               how the label is chosen
 * @param minVotes           fewest votes of a label, 0 for no such bound
 * @param minFraction        smallest share of all samples that a label must have, 0 for no such bound; at each stage
 * @param perStage           the samples of a step vote among themselves before the step before it does; false: all
 *                           answers vote at once
 * @param orders             orders of options or of responses in which each example is asked, as many as the task has;
 *                           a label is kept if all of them agree. 1: as given
 * @param earlyStop          no more samples are drawn once the verdict stands; it is the same either way
 * @param target             what the student is taught to say
 * @param validationFraction share of the kept examples that is not trained on but watched, in [0, 1)
 * @param seed               of which those are
 */
public record CurationConfig(Rule rule, int minVotes, double minFraction, boolean perStage, int orders,
        boolean earlyStop, Target target, double validationFraction, long seed) {
    public CurationConfig {
        if (rule == null || target == null) {
            throw new InputException("curation: rule and target, expected both");
        }
        if (minVotes < 0) {
            throw InputException.field("minVotes", minVotes + ", expected 0 or more");
        }
        if (!(minFraction >= 0 && minFraction <= 1)) {
            throw InputException.field("minFraction", minFraction + ", expected 0 to 1");
        }
        if (!rule.votes() && (minVotes > 0 || minFraction > 0 || perStage)) {
            throw InputException.field(minVotes > 0 ? "minVotes" : minFraction > 0 ? "minFraction" : "perStage",
                    "only where samples vote, not beside rule "
                    + rule.name().toLowerCase(Locale.ROOT));
        }
        if (orders < 1) {
            throw InputException.field("orders", orders + ", expected 1 or more");
        }
        if (orders > 1 && !rule.votes()) {
            throw InputException.field("orders", orders + ", expected 1 beside rule "
                    + rule.name().toLowerCase(Locale.ROOT)
                    + ": orders are compared by their votes");
        }
        if (!(validationFraction >= 0 && validationFraction < 1)) {
            throw InputException.field("validationFraction", validationFraction
                    + ", expected 0 or more and less than 1");
        }
    }

    /** More than half of the samples, the bare answer. */
    public static CurationConfig defaults() {
        return new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, true, Target.ANSWER, 0, 1);
    }

    /** This without a filter: the first sample of each example. */
    public CurationConfig unfiltered() {
        return new CurationConfig(Rule.FIRST, 0, 0, false, 1, earlyStop, target, validationFraction, seed);
    }
}
