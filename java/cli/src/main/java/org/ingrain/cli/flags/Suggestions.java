package org.ingrain.cli.flags;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.tensor.Similar;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** If a user gives an unknown option or command, finds the known one that the user probably meant. */
public final class Suggestions {
    /** Option names that other programs use, mapped to this program's names for the same options. */
    private static final Map<String, String> ELSEWHERE = Map.of("--lr", "--learning-rate", "--bs", "--batch-size",
            "--lora-rank", "--rank", "--lora-alpha", "--alpha", "--max-new-tokens", "--max-tokens", "--num-samples",
            "--n", "--num-train-epochs", "--epochs", "--num-epochs", "--epochs", "--dataset", "--data", "--output-dir",
            "--output");

    private Suggestions() {
    }

    /**
     * The message of an exception. If an option or command is unknown, the message suggests a similar name. If one
     * option is unknown and another one is missing, the message is about the unknown option, because it may be the
     * missing option with a spelling error.
     */
    public static String message(CommandLine.ParameterException exception) {
        List<String> unknown = exception instanceof CommandLine.UnmatchedArgumentException unmatched
                ? unmatched.getUnmatched() : exception.getCommandLine().getUnmatchedArguments();
        if (unknown.isEmpty()) {
            return exception.getMessage();
        }
        String word = unknown.getFirst().replaceFirst("=.*", "");
        String said = exception instanceof CommandLine.UnmatchedArgumentException ? exception.getMessage()
                : "Unknown option: '" + word + "'";
        return said + hint(word, exception.getCommandLine());
    }

    private static String hint(String word, CommandLine command) {
        List<String> known = word.startsWith("-") ? command.getCommandSpec().options().stream()
                .filter(option -> !option.hidden()).map(OptionSpec::names).flatMap(Arrays::stream).toList()
                : command.getSubcommands().keySet().stream().toList();
        String dashed = word.replace('_', '-');
        return Optional.ofNullable(ELSEWHERE.get(dashed)).filter(known::contains)
                .map(name -> " (did you mean " + name + "?)")
                .orElseGet(() -> Similar.hint(dashed, known));
    }
}
