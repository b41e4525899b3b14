package org.ingrain.distill.task;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Similar;
import tools.jackson.databind.JsonNode;

/**
 * A text with names of fields in braces, such as {@code Convert {amount} {unit} to metres.} The values of a row replace
 * these names. Braces around anything else are literal.
 */
record RowTemplate(String text) {
    private static final Pattern FIELD = Pattern.compile("\\{([\\p{L}_][\\p{L}\\p{N}_. -]*)}");

    /**
     * Returns the text with the values of the row in place of the names.
     *
     * @throws InputException if the row has no value for a field
     */
    String fill(JsonNode row, String where) {
        return FIELD.matcher(text).replaceAll(found -> {
            String name = found.group(1);
            return Matcher.quoteReplacement(QuestionReader.text(row, List.of(name), where)
                    .orElseThrow(() -> new InputException(where + ": no " + name + ", expected the value of {" + name
                            + "} in the question of the task; " + QuestionReader.found(row)
                            + Similar.hint(name, row.propertyNames()))));
        });
    }
}
