package org.ingrain.cli.flags;

import java.lang.reflect.Field;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Replaces names of engine settings with command-line flags. The Java field of an option has the name of the setting;
 * for example, the field of {@code --max-tokens} is {@code maxTokens}, and the field of {@code --n} is {@code samples}.
 */
public final class FlagNames {
    private static final Pattern CAMEL_CASE = Pattern.compile("\\b(?:[a-zA-Z]+\\.)*([a-z]+[A-Z]\\w*)");

    private FlagNames() {
    }

    /**
     * Returns the message of an exception, with flags in place of the names of settings. If the exception names a
     * field, its message starts with this name. The name and all names in camel case, such as {@code learningRate} or
     * {@code train.optimizer.learningRate}, are replaced if the command has a flag for them. If the exception names no
     * field, its message is returned unchanged.
     */
    public static String message(InputException exception, CommandSpec command) {
        String message = exception.getMessage();
        String field = exception.field();
        if (field == null) {
            return message;
        }
        return flags(command).getOrDefault(field, field) + text(message.substring(field.length()), command);
    }

    /** Returns the text. In it, each name in camel case is replaced with its flag if the command has one. */
    public static String text(String text, CommandSpec command) {
        Map<String, String> flags = flags(command);
        return CAMEL_CASE.matcher(text)
                .replaceAll(found -> Matcher.quoteReplacement(flags.getOrDefault(found.group(1), found.group())));
    }

    private static Map<String, String> flags(CommandSpec command) {
        return command.options().stream().filter(option -> option.userObject() instanceof Field)
                .collect(Collectors.toMap(FlagNames::setting, OptionSpec::longestName, (first, second) -> first));
    }

    private static String setting(OptionSpec option) {
        return ((Field) option.userObject()).getName();
    }
}
