package org.ingrain.cli.flags;

import java.util.Optional;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.verify.VerifierConfig;
import picocli.CommandLine.Option;

/** Flags for the curation, which selects the answers that become training examples. */
@Heading.Under(Heading.CURATION)
public final class CurationFlags {
    @Option(names = "--majority", defaultValue = "more-than-half", paramLabel = "RULE",
            description = {"How the answer is chosen (default: ${DEFAULT-VALUE}):",
                "more-than-half: the answer of more than half of the samples",
                "plurality: the answer with the most votes, if at least 2 samples, and at least a quarter "
                + "of all samples, gave this answer",
                "universal: the response that the model itself selects",
                "judge: the answer that wins the most pairs when the model itself compares its answers (see --judge)",
                "best: the accepted answer with the highest score of --verifier",
                "first: the first answer, unfiltered",
                "all: every answer, unfiltered"})
    String majority;

    @Option(names = "--min-votes", paramLabel = "N",
            description = "Minimum number of votes for an answer (default: 0; with plurality 2, unless --min-fraction "
            + "is given).")
    Integer minVotes;

    @Option(names = "--min-fraction", paramLabel = "X",
            description = "Minimum number of votes for an answer, as a share of all samples, including samples without "
            + "an answer (default: 0; with plurality 0.25, unless --min-votes is given).")
    Double minFraction;

    @Option(names = "--target", defaultValue = "answer", paramLabel = "WHAT",
            description = "What the student learns: the answer, or the whole response (default: ${DEFAULT-VALUE}).")
    String target;

    @Option(names = "--per-stage", negatable = true,
            description = "Vote within each step of the method, last step first (default: one vote over all answers).")
    boolean perStage;

    @Option(names = "--orders", defaultValue = "1", paramLabel = "N",
            description = "Number of orders of the options in which each question is asked; the answers in all orders "
            + "must agree (default: ${DEFAULT-VALUE}).")
    int orders;

    @Option(names = "--all-samples",
            description = "Draw all samples (default: stop when no further sample can change the result).")
    boolean allSamples;

    @Option(names = "--validation-fraction", defaultValue = "0", paramLabel = "X",
            description = "Share of the questions whose kept answers are for validation only (default: "
            + "${DEFAULT-VALUE}).")
    double validationFraction;

    @Option(names = "--selector", paramLabel = "FILE",
            description = "With --majority universal: JSON file of a method whose prompt has {question} and "
            + "{responses} and asks for the number of one response, as in Response 3 (default: the prompt of "
            + "universal self-consistency).")
    String selector;

    @Option(names = "--judge", paramLabel = "METHOD",
            description = "With --majority judge: method for task pairwise, or its JSON file. With this method the "
            + "model compares its 4 most frequent answers to a question in pairs, each pair in both orders (default: "
            + "bsm).")
    String judge;

    @Option(names = "--verifier", paramLabel = "COMMAND",
            description = "Program that accepts (exit status 0) or rejects (1) each answer, which it reads as one JSON "
            + "line: id, question, fields, answer, text. Rejected answers are not used. The words of COMMAND are "
            + "separated by spaces, or COMMAND is a JSON array of words. It runs without a shell and without a sandbox "
            + "(default: none).")
    String verifier;

    @Option(names = "--verifier-timeout", defaultValue = "10", paramLabel = "S",
            description = "Time limit of --verifier for one answer in seconds; a slower answer is rejected (default: "
            + "${DEFAULT-VALUE}).")
    int verifierTimeout;

    @Option(names = "--verifier-memory", defaultValue = "1024", paramLabel = "MIB",
            description = "Limit of the address space of --verifier in MiB, if prlimit is installed; 0 means none "
            + "(default: ${DEFAULT-VALUE}).")
    int verifierMemory;

    /**
     * A warning for the user if there is a verifier, but this machine cannot limit the verifier's memory and file
     * sizes; else empty.
     */
    public Optional<String> remark() {
        return verifier == null || VerifierConfig.limitsMemory() ? Optional.empty()
                : Optional.of("--verifier: runs without limits on memory and file sizes, because prlimit is not "
                + "installed");
    }

    /** @param seed seed of the split into training and validation examples */
    public CurationConfig config(long seed) {
        Rule rule = Words.choose("--majority", majority, Rule.class);
        boolean usual = minVotes == null && minFraction == null;
        int votes = usual ? rule.usualMinVotes() : minVotes == null ? 0 : minVotes;
        double fraction = usual ? rule.usualMinFraction() : minFraction == null ? 0 : minFraction;
        return new CurationConfig(rule, votes, fraction, perStage, orders, !allSamples,
                Words.choose("--target", target, Target.class), validationFraction, seed,
                verifier == null ? null : VerifierConfig.of(verifier, verifierTimeout, verifierMemory),
                selector == null ? null : Methods.load("selector", selector),
                judge == null ? null : Methods.load("judge", judge));
    }
}
