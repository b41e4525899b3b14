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
 * Maps settings of the engine to command-line flags. The Java field of an option has the name of its setting:
 * {@code maxTokens} is the field of {@code --max-tokens}, {@code samples} is the field of {@code --n}.
 */
public final class FlagNames {
    private static final Pattern CAMEL_CASE = Pattern.compile("\\b[a-z]+[A-Z]\\w*");

    private FlagNames() {
    }

    /** The message with flags instead of settings: the field at its start, and further names in camel case. */
    public static String message(InputException exception, CommandSpec command) {
        String message = exception.getMessage();
        String field = exception.field();
        if (field == null) {
            return message;
        }
        Map<String, String> flags = command.options().stream().filter(option -> option.userObject() instanceof Field)
                .collect(Collectors.toMap(FlagNames::setting, OptionSpec::longestName, (first, second) -> first));
        String text = CAMEL_CASE.matcher(message.substring(field.length()))
                .replaceAll(found -> Matcher.quoteReplacement(flags.getOrDefault(found.group(), found.group())));
        return flags.getOrDefault(field, field) + text;
    }

    private static String setting(OptionSpec option) {
        return ((Field) option.userObject()).getName();
    }
}
