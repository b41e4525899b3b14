package org.ingrain.cli.flags;

import java.util.List;
import java.util.Map;
import org.ingrain.sample.SamplingParams;
import picocli.CommandLine.Option;

/** Flags for the sampling of tokens. */
@Heading.Under(Heading.SAMPLING)
public final class SamplingFlags {
    @Option(names = "--temperature", defaultValue = "0", paramLabel = "T", 
            description = "Sampling temperature; 0 means greedy (default: ${DEFAULT-VALUE}).")
    double temperature;

    @Option(names = "--top-p", defaultValue = "1", paramLabel = "P",
            description = "Sample from the most probable tokens with total probability P (default: ${DEFAULT-VALUE}).")
    double topP;

    @Option(names = "--top-k", defaultValue = "0", paramLabel = "K",
            description = "Sample from the K most probable tokens; 0 means all (default: ${DEFAULT-VALUE}).")
    int topK;

    @Option(names = "--max-tokens", defaultValue = "256", paramLabel = "N",
            description = "Maximum length of a completion in tokens (default: ${DEFAULT-VALUE}).")
    int maxTokens;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "S",
            description = "Seed of the random numbers (default: ${DEFAULT-VALUE}).")
    long seed;

    @Option(names = "--stop", paramLabel = "TEXT",
            description = "Stop string: ends the completion. Repeatable.")
    List<String> stop = List.of();

    @Option(names = "--ignore-eos", description = "Continue after an end-of-sequence token.")
    boolean ignoreEos;

    @Option(names = "--min-tokens", defaultValue = "0", paramLabel = "N",
            description = "Minimum length of a completion in tokens; end-of-sequence tokens and stop strings do not "
                    + "end it earlier (default: ${DEFAULT-VALUE}).")
    int minTokens;

    @Option(names = "--logit-bias", paramLabel = "ID=VALUE",
            description = "Add VALUE, -100 to 100, to the logit of token ID before sampling. Repeatable.")
    Map<Integer, Float> logitBias = Map.of();

    public SamplingParams params() {
        return SamplingParams.sampled(temperature, topP, maxTokens, seed).withTopK(topK).withStop(stop)
                .withIgnoreEos(ignoreEos).withMinTokens(minTokens).withLogitBias(logitBias);
    }
}
