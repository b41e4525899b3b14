package org.ingrain.cli.flags;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.tensor.Similar;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** Finds the option or the command that a user probably meant by an unknown one. */
public final class Suggestions {
    /** Names of other programs for options that this program has. */
    private static final Map<String, String> ELSEWHERE = Map.of("--lr", "--learning-rate", "--bs", "--batch-size",
            "--lora-rank", "--rank", "--lora-alpha", "--alpha", "--max-new-tokens", "--max-tokens", "--num-samples",
            "--n", "--num-train-epochs", "--epochs", "--num-epochs", "--epochs", "--dataset", "--data", "--output-dir",
            "--output");

    private Suggestions() {
    }

    /** The text {@code (did you mean NAME?)} with a space before it; empty if nothing is similar. */
    public static String hint(CommandLine.ParameterException exception) {
        if (!(exception instanceof CommandLine.UnmatchedArgumentException unknown)
                || unknown.getUnmatched().isEmpty()) {
            return "";
        }
        String word = unknown.getUnmatched().getFirst().replaceFirst("=.*", "");
        CommandLine command = exception.getCommandLine();
        List<String> known = word.startsWith("-") ? command.getCommandSpec().options().stream()
                .filter(option -> !option.hidden()).map(OptionSpec::names).flatMap(Arrays::stream).toList()
                : command.getSubcommands().keySet().stream().toList();
        String dashed = word.replace('_', '-');
        return Optional.ofNullable(ELSEWHERE.get(dashed)).filter(known::contains)
                .map(name -> " (did you mean " + name + "?)")
                .orElseGet(() -> Similar.hint(dashed, known));
    }
}
