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
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Questions with lettered options, a line each: {@code (A) ...}. A row is one question, or a question with and without
 * a user's biasing opinion ({@code biased_question}, {@code unbiased_question}, {@code ground_truth}), which makes two.
 */
public record MultipleChoice() implements Task {
    private static final Pattern OPTION = Pattern.compile("(?m)^\\(([A-Z])\\) (.*)$");
    /**
     * What rows of cot-transparency say of how to answer, which is the method's to say; a user's opinion may stand
     * between the two.
     */
    private static final Pattern MANNER = Pattern.compile(
            "(?m)\\s*^Please think step by step and then give your answer in the format.*$"
            + "|\\s*^Let's think step by step:?\\s*\\z");
    private static final Pattern RELATIVE = Pattern.compile("(?i)\\bof the above\\b");
    /** A capital that is no part of a word, of initials or of {@code I'm}; an I before a word is the pronoun. */
    private static final String LETTER = "([A-HJ-Z]|I(?!\\s+\\p{L}))(?![\\w'’]|\\.\\p{L})";
    private static final Pattern CUED = Pattern.compile(
            "\\b(?i:answer|option|choice)(?i: is:?|:)[\\s*\"]*\\(?" + LETTER);
    private static final Pattern AT_ONCE = Pattern.compile(
            "^[\\s*\"(]*([A-Z])(?=[*\"]*(?:[):]|\\.(?!\\p{L})|\\h*(?:\\R|$))|\\*\\*)");
    private static final Pattern BRACKETED = Pattern.compile("\\(([A-Z])\\)");

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
     * The letter after the last {@code answer is} or its like; else one that begins the text, before a bracket, a
     * point, a colon or the line's end; else the last one in brackets. It is the capital of one of the question's
     * options; any capital where the question has no lines of options.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        Set<String> letters = options(example.question()).keySet();
        return last(CUED, text, letters).or(() -> last(AT_ONCE, text, letters))
                .or(() -> last(BRACKETED, text, letters));
    }

    private static Optional<String> last(Pattern pattern, String text, Set<String> letters) {
        return pattern.matcher(text).results().map(found -> found.group(1))
                .filter(letter -> letters.isEmpty() || letters.contains(letter))
                .reduce((a, b) -> b);
    }

    @Override
    public String key(String answer) {
        return answer.strip().replaceAll("[()]", "").toUpperCase(Locale.ROOT);
    }

    /**
     * The options moved on by one place, by two ...: every option comes to stand under other letters, by which an
     * opinion in the question then names it. Where it cannot be told whether a capital means an option, or options
     * speak of those above, the given order is all.
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

    /** Texts of the options by letter, in order. */
    private static Map<String, String> options(String question) {
        Map<String, String> options = new LinkedHashMap<>();
        OPTION.matcher(question).results().forEach((MatchResult found) -> options.put(found.group(1), found.group(2)));
        return options;
    }
}
