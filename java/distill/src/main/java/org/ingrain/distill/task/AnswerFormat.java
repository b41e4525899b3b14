package org.ingrain.distill.task;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** What the answers of a user's own questions look like. */
public enum AnswerFormat {
    /** The whole text; equal but for case, blanks and punctuation at the ends. */
    @JsonProperty("text") TEXT("a text") {
        @Override
        Optional<String> extract(String text) {
            return Optional.of(text.strip()).filter(stripped -> !key(stripped).isEmpty());
        }

        @Override
        String key(String answer) {
            return answer.toLowerCase(Locale.ROOT).replaceAll("\\s+", " ")
                    .replaceAll("^[\\s\\p{Punct}“”]+|[\\s\\p{Punct}“”]+$", "");
        }
    },
    /** A stated yes or no, else the last one. */
    @JsonProperty("yes-no") YES_NO("yes or no") {
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
     * The number after {@code ####} or the last {@code answer is}, that behind the last {@code =} where a calculation
     * begins there; else the last number; 1,000.0 equals 1000.
     */
    @JsonProperty("number") NUMBER("a number") {
        @Override
        Optional<String> extract(String text) {
            Optional<String> cued = CUED_NUMBER.matcher(text).results().map(found -> found.group(1))
                    .reduce((a, b) -> b);
            return cued.or(() -> ANY_NUMBER.matcher(text).results().map(MatchResult::group).reduce((a, b) -> b))
                    .map(this::key);
        }

        @Override
        String key(String answer) {
            String digits = answer.replace(",", "").replace("$", "").strip();
            try {
                return new BigDecimal(digits).stripTrailingZeros().toPlainString();
            } catch (NumberFormatException e) {
                return digits;
            }
        }
    };

    private static final String NUMERAL = "-?\\$?(?:(?:\\d{1,3}(?:,\\d{3})+|\\d+)(?:\\.\\d+)?|\\.\\d+)";
    /** A number, perhaps its unit and a sign of calculation, up to the last {@code =} of the sentence. */
    private static final String CALCULATION = NUMERAL
            + "\\h*(?:\\p{L}+\\h*)?(?:[-−+/×÷]|\\*(?!\\*)|x(?=\\h*[$\\d]))(?:(?![.!?](?:\\s|$)).)*=[\\h$*]*";
    private static final Pattern CUED_NUMBER = Pattern.compile(
            "(?:####|(?i:answer is:?|answer:))[\\s$*]*(?:" + CALCULATION + ")?("
            + NUMERAL + ")");
    /** A minus is a sign only where no digit or letter stands before it. */
    private static final Pattern ANY_NUMBER = Pattern.compile("(?<![\\w.])" + NUMERAL + "|(?<=\\D)\\d+(?:\\.\\d+)?");

    private final String shape;

    AnswerFormat(String shape) {
        this.shape = shape;
    }

    String shape() {
        return shape;
    }

    abstract Optional<String> extract(String text);

    abstract String key(String answer);
}
