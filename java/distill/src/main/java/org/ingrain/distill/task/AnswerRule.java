package org.ingrain.distill.task;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.files.BoundedRegex;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * The rule of a {@link TaskFile} that finds the answer in a text.
 *
 * @param form      the kind of answer
 * @param regex     for form {@code regex}, the expression
 * @param group     for form {@code regex}, the group with the answer; null: 1, or 0 (the whole match) if there is no
 *                  group
 * @param match     for form {@code regex}, whether the first or the last match applies; null: the last
 * @param field     for form {@code json}, the field with the answer
 * @param normalise for form {@code text}, whether a comparison ignores case, repeated spaces, and punctuation at both
 *                  ends; null: true
 */
record AnswerRule(Form form, String regex, Integer group, Match match, String field, Boolean normalise) {
    /** Matches a text of one line; the group is the text without the spaces around it. */
    private static final Pattern LINE = Pattern.compile("\\s*(\\S.*?)\\s*");

    enum Form {
        @JsonProperty("regex") REGEX("a text that the expression finds"),
        @JsonProperty("letter") LETTER("the letter of an option"),
        @JsonProperty("number") NUMBER(AnswerFormat.NUMBER.shape()),
        @JsonProperty("yes-no") YES_NO(AnswerFormat.YES_NO.shape()),
        @JsonProperty("json") JSON("a text"),
        @JsonProperty("text") TEXT(AnswerFormat.TEXT.shape());

        private final String shape;

        Form(String shape) {
            this.shape = shape;
        }

        String shape() {
            return shape;
        }
    }

    enum Match {
        @JsonProperty("first") FIRST,
        @JsonProperty("last") LAST
    }

    AnswerRule {
        if (form == null) {
            throw new InputException("answer.form: missing, expected regex, letter, number, yes-no, json or text");
        }
        only(form == Form.REGEX, "regex", regex, true);
        only(form == Form.REGEX, "group", group, false);
        only(form == Form.REGEX, "match", match, false);
        only(form == Form.JSON, "field", field, true);
        only(form == Form.TEXT, "normalise", normalise, false);
        if (form == Form.REGEX) {
            int groups = BoundedRegex.compile("answer.regex", regex).groups();
            if (group != null && (group < 0 || group > groups)) {
                throw new InputException("answer.group: " + group + ", expected 0 to " + groups);
            }
        }
    }

    private static void only(boolean own, String name, Object value, boolean needed) {
        if (!own && value != null) {
            throw new InputException("answer." + name + ": " + value + ", expected none with this form");
        }
        if (own && needed && value == null) {
            throw new InputException("answer." + name + ": missing, but this form requires it");
        }
    }

    /** The default rule: the whole text is the answer. */
    static AnswerRule text() {
        return new AnswerRule(Form.TEXT, null, null, null, null, null);
    }

    /** Makes an object that finds answers by this rule. This takes long, so use the same object for all texts. */
    Finder finder() {
        return switch (form) {
            case REGEX -> byRegex();
            case LETTER -> new MultipleChoice()::extract;
            case NUMBER -> (example, text) -> AnswerFormat.NUMBER.extract(text);
            case YES_NO -> (example, text) -> AnswerFormat.YES_NO.extract(text);
            case JSON -> (example, text) -> inJson(text);
            case TEXT -> (example, text) -> AnswerFormat.TEXT.extract(text);
        };
    }

    /** Finds the answer of an example in a text. */
    interface Finder {
        Optional<String> find(Example example, String text);
    }

    /**
     * Searches for a match of the expression. A student is trained on the text of the group alone, and its answers then
     * lack the rest of the expression. So if the expression has no match, but the part inside the group matches the
     * whole text, the text is the answer.
     */
    private Finder byRegex() {
        BoundedRegex whole = BoundedRegex.compile("answer.regex", regex);
        int number = group != null ? group : Math.min(1, whole.groups());
        boolean last = match != Match.FIRST;
        Optional<BoundedRegex> bare = number == 0 ? Optional.empty() : RegexGroup.alone(regex, number);
        return (example, text) -> whole.find(text, number, last)
                .or(() -> bare.flatMap(form -> form.find(text, 1, false)))
                .map(String::strip).filter(found -> !found.isEmpty());
    }

    /**
     * The value of the field in the last JSON object of the text that has the field. A student is trained on the value
     * alone, without a JSON object. So a text of one line without a brace is itself the answer.
     */
    private Optional<String> inJson(String text) {
        for (int open = text.lastIndexOf('{'); open >= 0; open = open == 0 ? -1 : text.lastIndexOf('{', open - 1)) {
            Optional<JsonNode> object = Json.prefix(text.substring(open));
            JsonNode value = object.map(found -> found.path(field)).orElse(null);
            if (value != null && value.isValueNode() && !value.isNull()) {
                return Optional.of(value.asString().strip()).filter(found -> !found.isEmpty());
            }
        }
        return text.indexOf('{') >= 0 ? Optional.empty()
                : Optional.of(LINE.matcher(text)).filter(Matcher::matches).map(line -> line.group(1));
    }

    /** A description, for the reader of a report, of how the answer is found. */
    String rule() {
        return switch (form) {
            case REGEX -> "The " + (match == Match.FIRST ? "first" : "last") + " match of the regular expression "
                    + regex + (group == null ? "" : ", group " + group) + ".";
            case LETTER -> new MultipleChoice().rule();
            case NUMBER -> AnswerFormat.NUMBER.rule();
            case YES_NO -> AnswerFormat.YES_NO.rule();
            case JSON -> "The field " + field + " of the last JSON object that has this field.";
            case TEXT -> AnswerFormat.TEXT.rule();
        };
    }

    /** Canonical form of an answer. {@link Equality} is then applied to this form. */
    String key(String answer) {
        return switch (form) {
            case LETTER -> new MultipleChoice().key(answer);
            case NUMBER -> AnswerFormat.NUMBER.key(answer);
            case YES_NO -> AnswerFormat.YES_NO.key(answer);
            case TEXT -> normalise == null || normalise ? AnswerFormat.TEXT.key(answer) : answer.strip();
            case REGEX, JSON -> answer.strip();
        };
    }
}
