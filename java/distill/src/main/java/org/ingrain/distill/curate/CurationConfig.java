package org.ingrain.distill.curate;

import java.util.Locale;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.verify.VerifierConfig;
import org.ingrain.tensor.InputException;

/**
 * Settings that decide which examples are kept, and with which label.
 *
 * @param rule               rule that selects the label
 * @param minVotes           minimum number of votes of a label; 0: no minimum
 * @param minFraction        minimum share of the voters of each poll that must vote for the label; 0: no minimum
 * @param perStage           whether each step of the method has its own vote, from the last step to the first; if
 *                           false, there is one vote over all answers
 * @param orders             maximum number of presentation orders (orders of the options or responses) in which each
 *                           example is asked. A label is kept only if it wins the vote in all these orders. 1: only
 *                           the given order, which is the order in the data
 * @param earlyStop          whether sampling of an example stops when its verdict can no longer change; this setting
 *                           does not change the verdict
 * @param target             the text that the student is trained to generate
 * @param validationFraction share of the questions that are used for validation, in [0, 1); their kept answers are not
 *                           used for training
 * @param seed               seed for the selection of validation examples
 * @param verifier           a program that accepts or rejects answers; rejected answers are not used. With such a
 *                           program, sampling never stops early; null: no program
 * @param selector           for rule {@code universal}, the method with which the model is asked to select one of its
 *                           responses; null: the prompt of the paper
 * @param judge              for rule {@code judge}, the method for task {@code pairwise} with which the model compares
 *                           its answers; null: {@code bsm}
 */
public record CurationConfig(Rule rule, int minVotes, double minFraction, boolean perStage, int orders,
        boolean earlyStop, Target target, double validationFraction, long seed, VerifierConfig verifier,
        Method selector, Method judge) {
    public CurationConfig {
        if (rule == null || target == null) {
            throw new InputException("curation: rule or target is missing, expected both");
        }
        earlyStop = earlyStop && verifier == null;
        if (rule == Rule.BEST && verifier == null) {
            throw InputException.field("majority", "best without a verifier, expected a verifier");
        }
        if (rule != Rule.UNIVERSAL && selector != null) {
            throw InputException.field("selector", selector.name() + ", expected none unless the rule is universal");
        }
        if (rule != Rule.JUDGE && judge != null) {
            throw InputException.field("judge", judge.name() + ", expected none unless the rule is judge");
        }
        judge = rule == Rule.JUDGE && judge == null ? Methods.load("judge", "bsm") : judge;
        if (minVotes < 0) {
            throw InputException.field("minVotes", minVotes + ", expected 0 or more");
        }
        if (!(minFraction >= 0 && minFraction <= 1)) {
            throw InputException.field("minFraction", minFraction + ", expected 0 to 1");
        }
        if (!rule.votes() && (minVotes > 0 || minFraction > 0 || perStage)) {
            throw InputException.field(minVotes > 0 ? "minVotes" : minFraction > 0 ? "minFraction" : "perStage",
                    "does not apply to rule " + rule.name().toLowerCase(Locale.ROOT)
                    + ", because samples do not vote with this rule");
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

    /** Settings that have no verifier, no selector and no judge. */
    public CurationConfig(Rule rule, int minVotes, double minFraction, boolean perStage, int orders, boolean earlyStop,
            Target target, double validationFraction, long seed) {
        this(rule, minVotes, minFraction, perStage, orders, earlyStop, target, validationFraction, seed, null,
                null, null);
    }

    /** The default settings: rule {@code more-than-half}, with the bare answer as target. */
    public static CurationConfig defaults() {
        return new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, true, Target.ANSWER, 0, 1);
    }

    /** A copy of these settings without a filter; it keeps the first sample of each example. */
    public CurationConfig unfiltered() {
        return new CurationConfig(Rule.FIRST, 0, 0, false, 1, earlyStop, target, validationFraction, seed);
    }
}
