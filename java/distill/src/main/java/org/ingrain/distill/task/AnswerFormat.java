package org.ingrain.distill.task;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** The format of the answers to a user's own questions. */
public enum AnswerFormat {
    /** The whole text is the answer. A comparison ignores case, repeated spaces, and punctuation at both ends. */
    @JsonProperty("text") TEXT("a text",
            "The whole text; case, repeated spaces, and punctuation at both ends are ignored.") {
        @Override
        Optional<String> extract(String text) {
            return Optional.of(text.strip()).filter(stripped -> !key(stripped).isEmpty());
        }

        @Override
        String key(String answer) {
            return ENDS.matcher(LowerCase.of(answer).replaceAll("\\s+", " ")).replaceAll("");
        }
    },
    /**
     * The answer is the yes or no that the text states ({@link YesNo#stated}). If the text states neither, the answer
     * is the last yes or no in the text.
     */
    @JsonProperty("yes-no") YES_NO("yes or no", "A stated yes or no, or the last yes or no in the text.") {
        @Override
        Optional<String> extract(String text) {
            return YesNo.stated(text).or(() -> YesNo.mentioned(text));
        }

        @Override
        String key(String answer) {
            return answer.strip().toLowerCase(Locale.ROOT);
        }
    },
    /**
     * The answer is the number that the text states. If it states no number, the answer is the last number in the text
     * ({@link Numbers}). Different notations of a number are equal, such as 1,000.0 and 1000.
     */
    @JsonProperty("number") NUMBER("a number",
            "The number after ####, in a box or after \"answer is\" or a similar phrase; else the last number in the "
            + "text (our rule).") {
        @Override
        Optional<String> extract(String text) {
            return Numbers.answer(text);
        }

        @Override
        String key(String answer) {
            return Numbers.key(answer);
        }
    };

    /**
     * Spaces and punctuation at both ends. Without the lookbehind, the search would take quadratic time if the text
     * contains a long sequence of such characters that is not at its end.
     */
    private static final Pattern ENDS = Pattern.compile(
            "^[\\s\\p{Punct}“”]+|(?<![\\s\\p{Punct}“”])[\\s\\p{Punct}“”]++$");

    private final String shape;
    private final String rule;

    AnswerFormat(String shape, String rule) {
        this.shape = shape;
        this.rule = rule;
    }

    String shape() {
        return shape;
    }

    /** A description, in words, of how the answer is found. */
    String rule() {
        return rule;
    }

    abstract Optional<String> extract(String text);

    abstract String key(String answer);
}
