package org.ingrain.distill.curate;

import org.ingrain.tensor.InputException;

/**
 * Which examples are kept and with which label.
 *
 * @param rule               how the label is chosen
 * @param minVotes           fewest votes of a label, 0 for no such bound
 * @param minFraction        smallest share of all samples that a label must have, 0 for no such bound
 * @param target             what the student is taught to say
 * @param validationFraction share of the kept examples that is not trained on but watched, in [0, 1)
 * @param seed               of which those are
 */
public record CurationConfig(Rule rule, int minVotes, double minFraction, Target target, double validationFraction, long seed) {
    public CurationConfig {
        if (rule == null || target == null) {
            throw new InputException("curation: rule and target, expected both");
        }
        if (minVotes < 0) {
            throw new InputException("--min-votes: " + minVotes + ", expected 0 or more");
        }
        if (!(minFraction >= 0 && minFraction <= 1)) {
            throw new InputException("--min-fraction: " + minFraction + ", expected 0 to 1");
        }
        if (!rule.votes() && (minVotes > 0 || minFraction > 0)) {
            throw new InputException("--min-votes, --min-fraction: only where samples vote, not beside rule "
                    + (rule == Rule.FIRST ? "first" : "all"));
        }
        if (!(validationFraction >= 0 && validationFraction < 1)) {
            throw new InputException("--validation-fraction: " + validationFraction + ", expected 0 or more and less than 1");
        }
    }

    /** More than half of the samples, the bare answer. */
    public static CurationConfig defaults() {
        return new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, Target.ANSWER, 0, 1);
    }

    /** This without a filter: the first sample of each example. */
    public CurationConfig unfiltered() {
        return new CurationConfig(Rule.FIRST, 0, 0, target, validationFraction, seed);
    }
}
