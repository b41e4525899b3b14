package org.ingrain.distill.task;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.tensor.InputException;

/**
 * Last letter concatenation: {@code Take the last letters of the words in "Edgar Bob" and concatenate them.} is {@code rb}.
 *
 * @param size words of a question that is made up, and of one that does not quote its words
 */
public record LastLetter(int size) implements Task {
    private static final String QUOTES = "\"'`*“”‘’";
    private static final Pattern QUOTED_WORDS = Pattern.compile("\"([^\"]*)\"");
    /** {@code the answer is "rb"}, {@code result: r-b.}: a cue, then at once quoted letters, or bare ones that end the phrase. */
    private static final Pattern CUED = Pattern.compile("(?i)\\b(?:answer|result|concatenation|string)(?: is:?| would be|:)\\s*(?:["
            + QUOTES + "]+(\\p{L}(?:[-+]?\\p{L})*)[.,]?[" + QUOTES + "]|(\\p{L}(?:[-+]?\\p{L})*)(?=[.!,;)]|\\s*$|\\s*\\R))");
    /** A quoted or emphasised piece of letters, single letters perhaps with a separator between. */
    private static final Pattern QUOTED = Pattern.compile(
            "[\"“`*](\\p{L}+|\\p{L}(?:(?:-|, ?| ?\\+ ?| )\\p{L})+)[.,]?[\"”`*]");
    private static final Pattern LAST_WORD = Pattern.compile("(\\p{L}+)[.!\\s" + QUOTES + "]*$");

    @Override
    public String name() {
        return "last-letter";
    }

    @Override
    public List<String> questionFields() {
        return List.of("question", "inputs");
    }

    @Override
    public List<String> answerFields() {
        return List.of("answer", "targets");
    }

    /** {@code words}: how many there are between the quotes; the usual number where there are no quotes. */
    @Override
    public Map<String, String> traits(String question) {
        int words = words(question);
        return Map.of("words", String.valueOf(words == 0 ? size : words));
    }

    @Override
    public String answerShape() {
        return "letters";
    }

    /**
     * What stands after the last {@code answer is} or its like; else the last quoted letters; else the last word, if it has one letter
     * for each word of the question.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        Optional<String> found = last(CUED, text);
        if (found.isEmpty()) {
            found = last(QUOTED, text);
        }
        if (found.isEmpty()) {
            int words = words(example.question());
            found = last(LAST_WORD, text.strip()).filter(word -> words > 0 && word.length() == words);
        }
        return found.map(this::key);
    }

    @Override
    public String key(String answer) {
        return answer.replaceAll("[^\\p{L}]", "").toLowerCase(Locale.ROOT);
    }

    /** Takes its words out of the names, so that none is in two questions: what is held out shares no word with what is taught. */
    @Override
    public Example generate(String id, List<String> names, Random random) {
        if (names.size() < size) {
            throw new InputException("--generate: names left for question " + id + ": " + names.size() + ", expected " + size
                    + "; each is in one question alone: take fewer questions or longer --names");
        }
        List<String> words = IntStream.range(0, size).mapToObj(i -> names.remove(random.nextInt(names.size()))).toList();
        String gold = words.stream().map(word -> word.substring(word.length() - 1)).collect(Collectors.joining());
        String question = "Take the last letters of the words in \"" + String.join(" ", words) + "\" and concatenate them.";
        return new Example(id, question, gold.toLowerCase(Locale.ROOT), traits(question), null, List.of());
    }

    /** Words between the question's first quotes, 0 if it has none. */
    private static int words(String question) {
        Matcher quoted = QUOTED_WORDS.matcher(question);
        return quoted.find() ? quoted.group(1).strip().split("\\s+").length : 0;
    }

    private static Optional<String> last(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(found.start(1) >= 0 ? 1 : found.groupCount())).reduce((a, b) -> b);
    }
}
