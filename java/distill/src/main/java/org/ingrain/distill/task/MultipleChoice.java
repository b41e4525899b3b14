package org.ingrain.distill.task;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Questions with lettered options {@code (A) ...}, one option per line. A row has either one question, or two versions
 * of a question: one with an opinion of the user, which may bias the model, and one without it (fields {@code
 * biased_question}, {@code unbiased_question}, {@code ground_truth}).
 */
public record MultipleChoice() implements Task {
    private static final Pattern OPTION = Pattern.compile("(?m)^\\(([A-Z])\\) (.*)$");
    /**
     * The two instructions about the form of the answer in the rows of cot-transparency. They are removed, because the
     * prompt of the method has its own instructions. The user's opinion may stand between them, so they are matched
     * separately.
     */
    private static final Pattern MANNER = Pattern.compile(
            "(?m)\\s*^Please think step by step and then give your answer in the format.*$"
            + "|\\s*^Let's think step by step:?\\s*\\z");
    private static final Pattern RELATIVE = Pattern.compile("(?i)\\bof the above\\b");
    /**
     * A letter that is not part of a word, of initials or of {@code I'm}. An I before a word does not match, because it
     * is a pronoun. A lower-case letter matches only if punctuation or the end of the line follows it.
     */
    private static final String LETTER =
            "([A-HJ-Z]|I(?!\\s+\\p{L})|[a-z](?=[*\"'”)]*(?:[.,;:!?)](?!\\p{L})|\\s*(?:\\R|$|<|\\}))))"
            + "(?![\\w'’]|\\.\\p{L})";
    private static final String OPENING = "[\\s*\"“$]*(?:(?i:option|choice|letter)\\s+)?[*\"“(]*";
    private static final Pattern CUED = Pattern.compile(
            "(?:\\b(?i:answer|option|choice|pick|one)(?i:\\s+(?:is|was|would be|should be|must be)"
            + "(?:\\s+(?:therefore|thus|then|clearly))?:?|\\*{0,2}:|\\s+(?=\\(?[A-Z]\\)? is (?:correct|right)))"
            + "|<answer>|####)(?:\\s+not \\(?\\w\\)?,? but)?" + OPENING + LETTER);
    private static final Pattern BOXED = Pattern.compile("\\\\boxed\\s*\\{(?:\\\\text\\{)?[\\s(]*([A-Za-z])[\\s)]*\\}");
    /** A phrase with which the text chooses an option, such as {@code I choose B}. */
    private static final Pattern CHOSEN = Pattern.compile(
            "(?:\\b(?i:choose|chose|pick|picked|select|selected|(?:go|going|went) with|should be|must be|has to be"
            + "|opt for))" + OPENING + LETTER + "|(?<![\\w.])\\(?([A-HJ-Z])\\)?(?= is (?:the (?:right |correct |best )?"
            + "answer|correct|right)\\b)");
    private static final Pattern AT_ONCE = Pattern.compile(
            "^[\\s*\"(]*([A-Z])(?=[*\"]*(?:[):]|\\.(?!\\p{L})|\\h*(?:\\R|$))|\\*\\*)"
            + "|^[\\s*\"(]*([a-z])[.)*\"]*\\s*$|^\\s*\\(([a-z])\\)");
    private static final Pattern BRACKETED = Pattern.compile("\\(([A-Za-z])\\)");
    /** A negation at the end of a text. The text before the letter of an option is searched for such a negation. */
    private static final Pattern DENIED = Pattern.compile("(?i)(?:\\bnot|n['’]t|\\bcannot be)[\\s*\"(]*$");

    @Override
    public String name() {
        return "multiple-choice";
    }

    @Override
    public List<String> questionFields() {
        return List.of("question");
    }

    @Override
    public List<String> answerFields() {
        return List.of("answer", "ground_truth");
    }

    @Override
    public String answerShape() {
        return "the letter of an option";
    }

    @Override
    public List<Example> examples(JsonNode row, String id, String where) {
        if (!row.has("biased_question")) {
            return List.of();
        }
        String gold = row.path("ground_truth").asString("");
        List<Example> both = new ArrayList<>();
        for (String kind : List.of("unbiased", "biased")) {
            String question = MANNER.matcher(content(row.path(kind + "_question"), kind + "_question", where))
                    .replaceAll("").strip();
            if (options(question).size() < 2 || !options(question).containsKey(gold)) {
                throw new InputException(where + ": ground_truth " + gold
                        + ", expected the letter of one of the options (A), (B) ... in "
                        + kind + "_question");
            }
            both.add(new Example(id + "-" + kind, question, gold, Map.of(), kind, List.of()));
        }
        return both.stream().map(example -> example.of(both.getFirst().question())).toList();
    }

    private static String content(JsonNode messages, String field, String where) {
        JsonNode content = messages.isString() ? messages : messages.path(messages.size() - 1).path("content");
        if (!content.isString()) {
            throw new InputException(where + ": " + field + ", expected a text or a list of messages with content");
        }
        return content.asString();
    }

    /**
     * There are five kinds of letters, tried in this order: a letter in {@code \boxed{}}; a letter after
     * {@code answer is} or a similar phrase; a chosen letter ({@code I choose B}); a letter at the start of the text,
     * before a bracket, a full stop, a colon or the end of the line; a letter in brackets. The answer is the last
     * letter of the first kind that occurs. If the question lists options, other letters are ignored.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        Set<String> letters = options(example.question()).keySet();
        return Stream.of(BOXED, CUED, CHOSEN, AT_ONCE, BRACKETED)
                .flatMap(pattern -> last(pattern, text, letters).stream()).findFirst();
    }

    private static Optional<String> last(Pattern pattern, String text, Set<String> letters) {
        return pattern.matcher(text).results()
                .map(found -> letter(found, text).toUpperCase(Locale.ROOT))
                .filter(letter -> !letter.isEmpty() && (letters.isEmpty() || letters.contains(letter)))
                .reduce((a, b) -> b);
    }

    /** The letter in the group that matched; an empty string if the text before the letter negates it. */
    private static String letter(MatchResult found, String text) {
        for (int group = 1; group <= found.groupCount(); group++) {
            if (found.group(group) != null) {
                boolean denied = DENIED.matcher(text.substring(0, found.start(group))).find();
                return denied ? "" : found.group(group);
            }
        }
        return "";
    }

    @Override
    public String rule() {
        return "The letter of an option: boxed, after \"answer is\" or a similar phrase, chosen, at the start "
                + "of the text, or in brackets; the first of these that occurs (our rule).";
    }

    @Override
    public String key(String answer) {
        return answer.strip().replaceAll("[()]", "").toUpperCase(Locale.ROOT);
    }

    /**
     * Returns the example in the given order, then with its options rotated by one place, by two places and so on.
     * Where the question or the text of an option refers to an option by its letter, the letter is replaced by the new
     * one. Returns only the given order if it is unclear whether a capital letter means an option, or if an option
     * refers to the options above it, as in {@code all of the above}.
     */
    @Override
    public List<Example> orders(Example example, int most) {
        List<String> letters = new ArrayList<>(options(example.question()).keySet());
        List<Example> orders = new ArrayList<>(List.of(example));
        for (int shift = 1; shift < Math.min(most, letters.size()); shift++) {
            Optional<Example> shifted = shifted(example, letters, shift);
            if (shifted.isEmpty()) {
                return List.of(example);
            }
            orders.add(shifted.get());
        }
        return orders;
    }

    private static Optional<Example> shifted(Example example, List<String> letters, int shift) {
        Map<String, String> relabel = new LinkedHashMap<>();
        Map<String, String> names = new LinkedHashMap<>();
        Map<String, String> texts = options(example.question());
        for (int i = 0; i < letters.size(); i++) {
            relabel.put(letters.get(i), letters.get((i + shift) % letters.size()));
            names.put(letters.get((i + shift) % letters.size()), letters.get(i));
        }
        List<String> lines = new ArrayList<>();
        for (String line : example.question().lines().toList()) {
            Matcher option = OPTION.matcher(line);
            boolean label = option.matches();
            String text = label ? texts.get(relabel.get(option.group(1))) : line;
            Optional<String> renamed = label && RELATIVE.matcher(text).find()
                    ? Optional.empty() : Mentions.renamed(text, names);
            if (renamed.isEmpty()) {
                return Optional.empty();
            }
            lines.add((label ? "(" + option.group(1) + ") " : "") + renamed.get());
        }
        return Optional.of(example.reordered(shift, String.join("\n", lines), example.fields(), relabel));
    }

    /** Texts of the options by letter, in the order of the lines. */
    private static Map<String, String> options(String question) {
        Map<String, String> options = new LinkedHashMap<>();
        OPTION.matcher(question).results().forEach((MatchResult found) -> options.put(found.group(1), found.group(2)));
        return options;
    }
}
