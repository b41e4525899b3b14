package org.ingrain.distill.task;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds the number that is the answer in a text. Some marks and phrases, called cues, introduce the answer: the number
 * is in {@code \boxed{}} or {@code <answer>}, after {@code ####}, or in the sentence after "answer is", "answer:" or a
 * similar phrase. The answer is the number of the last cue that has one. If no cue has a number, the answer is the last
 * number in the text.
 *
 * <p>A number may have a sign (- or U+2212), a currency sign, thousands separators (commas or thin spaces; after a cue
 * also normal spaces), a decimal part and an exponent. It may also be a fraction. The LaTeX forms {@code \frac},
 * {@code 9{,}500} and {@code \$} are supported.
 */
final class Numbers {
    private static final String CURRENCY = "[$€£¥]";
    private static final String GROUPED = "\\d{1,3}(?:[,\u00a0\u2009\u202f]\\d{3})+";
    private static final String GROUPED_BY_SPACES = "\\d{1,3}(?: \\d{3})+";
    private static final String EXPONENT = "(?:[eE][-+]?\\d{1,4}(?!\\w)|\\h*[×x*]\\h*10\\^\\{?[-+]?\\d{1,4}\\}?)?";
    /** Maximum number of digits before the decimal point, and maximum number of digits after it. */
    private static final int MOST_DIGITS = 20_000;
    private static final Pattern ANYWHERE = number(GROUPED);
    private static final Pattern CUED = number(GROUPED + "|" + GROUPED_BY_SPACES);

    private static final Pattern CUE = Pattern.compile(
            "####|\\\\boxed\\h*\\{|<answer>|(?i:\\banswer\\h*(?:is|was|equals|would be|should be|must be|=|:)+:?"
            + "|\\banswer\\*\\*\\h*:)");
    /** The end of a sentence, which is punctuation before white space, or the end of a line. */
    private static final Pattern SENTENCE_END = Pattern.compile("[.!?](?=[\\s*$\"”)]*(?:\\s|$))|\\R");
    /**
     * The part of a calculation after its first number: an optional unit, an operator, and everything up to the last
     * equals sign.
     */
    private static final Pattern CALCULATION = Pattern.compile(
            "\\h*(?:\\p{L}+\\h*)?(?:[-+/×÷]|\\*(?!\\*)|x(?=\\h*[$\\d])).*=");
    private static final Pattern NEGATED = Pattern.compile("(?i)(?:\\bnot|n['’]t|\\brather than|\\binstead of)\\h*$");

    private Numbers() {
    }

    private static Pattern number(String grouped) {
        String digits = "(?:(?:" + grouped + "|\\d+)(?:\\.\\d+)?|\\.\\d+)";
        // A minus is a sign only if no digit, letter or bracket precedes it.
        String sign = "(?<![\\w)\\]}.])-\\h?";
        return Pattern.compile("(?<![\\w.,/])(?<!\\d:)(?<sign>(?:" + sign + ")?" + CURRENCY + "?-?)(?<number>"
                + digits + ")(?<exponent>" + EXPONENT + ")(?:\\h?/\\h?(?<over>" + digits + ")(?![\\w/]|\\.\\d))?");
    }

    private record Found(String value, int begin, int end) {
    }

    /** The number that is the answer in the text, in the form of {@link #plain}; empty if the text has no number. */
    static Optional<String> answer(String text) {
        String plain = withoutLatex(text);
        List<Integer> cues = new ArrayList<>();
        Matcher cue = CUE.matcher(plain);
        while (cue.find()) {
            cues.add(cue.end());
        }
        for (int begin : cues.reversed()) {
            Optional<String> stated = stated(phrase(plain, begin));
            if (stated.isPresent()) {
                return stated;
            }
        }
        List<Found> all = all(ANYWHERE, plain);
        return all.isEmpty() ? Optional.empty() : Optional.of(all.getLast().value);
    }

    /** The text from the end of a cue to the closing brace, the closing tag or the end of the sentence. */
    private static String phrase(String text, int begin) {
        if (text.charAt(begin - 1) == '{') {
            return text.substring(begin, closing(text, begin));
        }
        if (text.charAt(begin - 1) == '>') {
            int end = text.indexOf("</answer>", begin);
            return text.substring(begin, end < 0 ? text.length() : end);
        }
        String rest = text.substring(begin);
        String blank = rest.stripLeading();
        Matcher end = SENTENCE_END.matcher(blank);
        return end.find() ? blank.substring(0, end.start()) : blank;
    }

    private static int closing(String text, int begin) {
        int depth = 1;
        for (int i = begin; i < text.length(); i++) {
            depth += text.charAt(i) == '{' ? 1 : text.charAt(i) == '}' ? -1 : 0;
            if (depth == 0) {
                return i;
            }
        }
        return text.length();
    }

    /**
     * Returns the first number that is not negated. If this number begins a calculation, returns the number after the
     * last equals sign instead.
     */
    private static Optional<String> stated(String phrase) {
        for (Found found : all(CUED, phrase)) {
            if (NEGATED.matcher(phrase.substring(0, found.begin)).find()) {
                continue;
            }
            if (CALCULATION.matcher(phrase.substring(found.end)).lookingAt()) {
                List<Found> results = all(CUED, phrase.substring(phrase.lastIndexOf('=') + 1));
                if (!results.isEmpty()) {
                    return Optional.of(results.getFirst().value);
                }
            }
            return Optional.of(found.value);
        }
        return Optional.empty();
    }

    private static List<Found> all(Pattern pattern, String text) {
        List<Found> all = new ArrayList<>();
        Matcher number = pattern.matcher(text);
        while (number.find()) {
            all.add(new Found(value(number), number.start(), number.end()));
        }
        return all;
    }

    private static String value(Matcher number) {
        String sign = number.group("sign").contains("-") ? "-" : "";
        String exponent = number.group("exponent").replaceAll("\\h*[×x*]\\h*10\\^", "e").replaceAll("[{}]", "");
        String over = number.group("over");
        return plain(sign + number.group("number") + exponent + (over == null ? "" : "/" + over));
    }

    /**
     * Writes a number without separators, without an exponent and without unnecessary zeros. Reduces a fraction to
     * lowest terms, such as {@code 1/2}. If the text is not a number, only removes separators and currency signs.
     */
    static String plain(String number) {
        String digits = number.replace('\u2212', '-').replaceAll("[,\\s\u00a0\u2009\u202f$€£¥]", "");
        String[] parts = digits.split("/", -1);
        try {
            BigDecimal over = decimal(parts[0]);
            if (parts.length == 1) {
                return text(over);
            }
            BigDecimal under = decimal(parts[1]);
            return parts.length > 2 || under.signum() == 0 ? digits : fraction(over, under);
        } catch (NumberFormatException e) {
            return digits;
        }
    }

    /**
     * The value of a number. A number with too many digits before or after the decimal point, such as {@code
     * 1e2147483647}, is not accepted. Written without an exponent, it would need too much memory.
     *
     * @throws NumberFormatException if the text is not a number or has too many digits
     */
    static BigDecimal decimal(String number) {
        BigDecimal value = new BigDecimal(number);
        if (value.signum() == 0) {
            return BigDecimal.ZERO;
        }
        if (value.scale() > MOST_DIGITS || (long) value.precision() - value.scale() > MOST_DIGITS) {
            throw new NumberFormatException("more than " + MOST_DIGITS + " digits");
        }
        return value;
    }

    private static String fraction(BigDecimal over, BigDecimal under) {
        int scale = Math.max(0, Math.max(over.scale(), under.scale()));
        BigInteger numerator = over.movePointRight(scale).toBigIntegerExact();
        BigInteger denominator = under.movePointRight(scale).toBigIntegerExact();
        BigInteger common = numerator.gcd(denominator).multiply(BigInteger.valueOf(denominator.signum()));
        numerator = numerator.divide(common);
        denominator = denominator.divide(common);
        return denominator.equals(BigInteger.ONE) ? numerator.toString() : numerator + "/" + denominator;
    }

    private static String text(BigDecimal value) {
        return value.signum() == 0 ? "0" : value.stripTrailingZeros().toPlainString();
    }

    /**
     * Canonical form of a number. Equal numbers have equal keys. A fraction with a finite decimal form is written as a
     * decimal number.
     */
    static String key(String number) {
        String plain = plain(number);
        String[] parts = plain.split("/", -1);
        if (parts.length != 2) {
            return plain;
        }
        try {
            return text(decimal(parts[0]).divide(decimal(parts[1])));
        } catch (ArithmeticException | NumberFormatException endless) {
            return plain;
        }
    }

    /** The text with LaTeX forms of numbers and U+2212 replaced by plain characters. */
    private static String withoutLatex(String text) {
        return text.replace('\u2212', '-').replace("{,}", ",").replace("\\$", "$").replaceAll("\\\\[,;:! ]", "\u2009")
                .replaceAll("\\\\[dt]?frac\\h*\\{\\h*(-?[\\d.]+)\\h*\\}\\h*\\{\\h*([\\d.]+)\\h*\\}", " $1/$2 ")
                .replaceAll("\\\\[dt]?frac(\\d)(\\d)", " $1/$2 ").replace("\\times", "×").replace("\\cdot", "×")
                .replaceAll("\\\\(?:text|mathrm|mathbf)\\{([^{}]*)\\}", " $1 ").replaceAll("\\$(?=\\$|\\h*-?\\$)", "");
    }
}
