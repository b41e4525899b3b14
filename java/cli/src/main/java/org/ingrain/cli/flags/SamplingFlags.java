package org.ingrain.cli.flags;

import java.util.List;
import org.ingrain.sample.SamplingParams;
import picocli.CommandLine.Option;

/** How tokens are drawn. */
public final class SamplingFlags {
    @Option(names = "--temperature", defaultValue = "0", paramLabel = "T", description = "0 for greedy (the default).")
    double temperature;

    @Option(names = "--top-p", defaultValue = "1", paramLabel = "P",
            description = "Probability mass kept; 1 for all (the default).")
    double topP;

    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K",
            description = "Most probable tokens kept; 0 for all (the default).")
    int topK;

    @Option(names = "--max-tokens", defaultValue = "256", paramLabel = "N",
            description = "Most tokens generated (default: ${DEFAULT-VALUE}).")
    int maxTokens;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "S",
            description = "Of the random numbers (default: ${DEFAULT-VALUE}).")
    long seed;

    @Option(names = "--stop", paramLabel = "TEXT",
            description = "A string that ends a completion; may be given several times.")
    List<String> stop = List.of();

    @Option(names = "--ignore-eos", description = "Go on after an end-of-sequence token.")
    boolean ignoreEos;

    public SamplingParams params() {
        return SamplingParams.sampled(temperature, topP, maxTokens, seed).withTopK(topK).withStop(stop)
                .withIgnoreEos(ignoreEos);
    }
}
