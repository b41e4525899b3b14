package org.ingrain.distill.sample;

import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A prompt with placeholders such as {@code {question}}. All other text, including other braces, is literal. */
public record PromptTemplate(String text) {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{([a-z][a-z0-9-]*)}");

    /** Names of the placeholders, without duplicates, in the order of first appearance. */
    public Set<String> placeholders() {
        Set<String> names = new LinkedHashSet<>();
        PLACEHOLDER.matcher(text).results().forEach(found -> names.add(found.group(1)));
        return names;
    }

    /** The text with all placeholders replaced by their values. Braces in a value are literal. */
    public String render(Map<String, String> values) {
        return PLACEHOLDER.matcher(text).replaceAll(found -> {
            String value = values.get(found.group(1));
            if (value == null) {
                throw new IllegalArgumentException("no value for {" + found.group(1) + "}");
            }
            return Matcher.quoteReplacement(value);
        });
    }
}
