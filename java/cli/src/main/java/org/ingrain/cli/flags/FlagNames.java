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
 * Replaces names of engine settings by command-line flags. The Java field of an option has the name of the setting; for
 * example, the field of {@code --max-tokens} is {@code maxTokens}, and the field of {@code --n} is {@code samples}.
 */
public final class FlagNames {
    private static final Pattern CAMEL_CASE = Pattern.compile("\\b(?:[a-zA-Z]+\\.)*([a-z]+[A-Z]\\w*)");

    private FlagNames() {
    }

    /**
     * The message of an exception, with flags in place of the names of settings. The field name at the start of the
     * message and all names in camel case, such as {@code learningRate} or {@code train.optimizer.learningRate}, are
     * replaced if the command has a flag for them.
     */
    public static String message(InputException exception, CommandSpec command) {
        String message = exception.getMessage();
        String field = exception.field();
        if (field == null) {
            return message;
        }
        Map<String, String> flags = command.options().stream().filter(option -> option.userObject() instanceof Field)
                .collect(Collectors.toMap(FlagNames::setting, OptionSpec::longestName, (first, second) -> first));
        String text = CAMEL_CASE.matcher(message.substring(field.length()))
                .replaceAll(found -> Matcher.quoteReplacement(flags.getOrDefault(found.group(1), found.group())));
        return flags.getOrDefault(field, field) + text;
    }

    private static String setting(OptionSpec option) {
        return ((Field) option.userObject()).getName();
    }
}
