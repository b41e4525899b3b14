package org.ingrain.distill.curate;

import java.util.Locale;
import org.ingrain.tensor.InputException;

/**
 * Decides which examples are kept, and with which label.
 *
 * @param rule               how the label is chosen
 * @param minVotes           minimum number of votes of a label; 0: no minimum
 * @param minFraction        minimum share of all samples that gave the label, at each stage; 0: no minimum
 * @param perStage           the samples of each step vote among themselves, the last step first; false: one vote over
 *                           all answers
 * @param orders             maximum number of orders of the options or responses in which each example is asked; a
 *                           label is kept if all orders agree; 1: the given order only
 * @param earlyStop          stop sampling an example when its verdict can no longer change; the verdict is the same
 *                           either way
 * @param target             what the student is trained to generate
 * @param validationFraction share of the kept examples that is used for validation instead of training, in [0, 1)
 * @param seed               seed of the choice of validation examples
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
                    "applies only if samples vote, not to rule "
                    + rule.name().toLowerCase(Locale.ROOT));
        }
        if (orders < 1) {
            throw InputException.field("orders", orders + ", expected 1 or more");
        }
        if (orders > 1 && !rule.votes()) {
            throw InputException.field("orders", orders + ", expected 1 with rule "
                    + rule.name().toLowerCase(Locale.ROOT)
                    + ", because orders are compared by votes");
        }
        if (!(validationFraction >= 0 && validationFraction < 1)) {
            throw InputException.field("validationFraction", validationFraction
                    + ", expected 0 or more and less than 1");
        }
    }

    /** Rule {@code more-than-half}; the target is the bare answer. */
    public static CurationConfig defaults() {
        return new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, true, Target.ANSWER, 0, 1);
    }

    /** These settings without a filter: the first sample of each example. */
    public CurationConfig unfiltered() {
        return new CurationConfig(Rule.FIRST, 0, 0, false, 1, earlyStop, target, validationFraction, seed);
    }
}
