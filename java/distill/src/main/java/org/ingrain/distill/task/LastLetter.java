package org.ingrain.distill.task;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/**
 * Last letter concatenation: {@code Take the last letters of the words in "Edgar Bob" and concatenate them.} is {@code
 * rb}.
 *
 * @param size words of a question that is made up, and of one that does not quote its words
 */
public record LastLetter(int size) implements Task {
    /** An apostrophe opens and closes nothing. */
    private static final Pattern QUOTED_WORDS = Pattern.compile(
            "\"([^\"]*)\"|“([^”]*)”|‘(.*?)’(?!\\p{L})|(?<!\\p{L})'(.*?)'(?!\\p{L})|`([^`]*)`");
    private static final Pattern WORD = Pattern.compile("[^\\p{L}]+");
    private static final String QUOTES = "\"'`*“”‘’";
    /** A fixed number of letters: one word, or single letters separated by hyphens, plus signs, commas or blanks. */
    private static final String LETTERS = "(\\p{L}{%1$d}|\\p{L}(?:(?:\\h*[-+,]\\h*|\\h)\\p{L}){%2$d})";
    /** At once behind a cue: quoted letters, or bare ones that end the phrase. */
    private static final String AT_ONCE = "\\s*(?:[" + QUOTES + "]+" + LETTERS + "[.,]?[" + QUOTES + "]|" + LETTERS
            + "(?=[.!,;)]|\\s*\\z|\\h*\\R))";
    /** {@code the answer is "rb"}, {@code result: r-b.} */
    private static final String STATED = "(?i)\\b(?:answer|result|concatenation|string)(?: is:?| would be|:)" + AT_ONCE;
    /** Letters that are quoted or emphasised, or behind {@code letters are}, {@code together:} and the like. */
    private static final String SAID = "(?<![\\p{L}])[\"“‘'`*]" + LETTERS
            + "[.,]?[\"”’'`*](?!\\p{L})|(?:(?i:\\b(?:letters|combined|concatenated|joined"
            + "|together)(?: (?:is|are|would be|gives|makes):?|:))|=)" + AT_ONCE;
    private static final String ALONE = "\\A[\\s" + QUOTES + "]*" + LETTERS + "[.!\\s" + QUOTES + "]*\\z";

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

    /** {@code words}: how many there are between quotes of any kind; the usual number where there are no quotes. */
    @Override
    public Map<String, String> traits(String question) {
        return Map.of("words", String.valueOf(words(question)));
    }

    @Override
    public String answerShape() {
        return "letters, one for each word that the question quotes, or size where it quotes none";
    }

    /**
     * Of pieces that have one letter for each word of the question: the one after the last {@code answer is} or its
     * like; else the last one that is quoted or stands behind a weaker cue; else the whole text. {@code r-b}, {@code r
     * + b} and {@code r, b} are {@code rb}; letters in quotes of their own are not put together, and a quoted word of
     * the question is no answer.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        int words = words(example.question());
        Set<String> asked = Stream.of(WORD.split(example.question())).collect(Collectors.toSet());
        return last(STATED, words, text).or(() -> last(SAID, words, text).filter(found -> !asked.contains(found)))
                .or(() -> last(ALONE, words, text)).map(this::key);
    }

    @Override
    public String key(String answer) {
        return answer.replaceAll("[^\\p{L}]", "").toLowerCase(Locale.ROOT);
    }

    /**
     * Takes its words out of the names, so that none is in two questions: what is held out shares no word with what is
     * taught.
     */
    @Override
    public Example generate(String id, List<String> names, Random random) {
        if (names.size() < size) {
            throw InputException.field("generate", "names left for question " + id + ": " + names.size()
                    + ", expected " + size
                    + "; each is in one question alone: take fewer questions or longer names");
        }
        List<String> words = IntStream.range(0, size).mapToObj(i -> names.remove(random.nextInt(names.size())))
                .toList();
        String gold = words.stream().map(word -> word.substring(word.length() - 1)).collect(Collectors.joining());
        String question = "Take the last letters of the words in \"" + String.join(" ", words)
                + "\" and concatenate them.";
        return new Example(id, question, gold.toLowerCase(Locale.ROOT), traits(question), null, List.of());
    }

    /** Words between the question's quotes, the usual number if it has none. */
    private int words(String question) {
        int words = QUOTED_WORDS.matcher(question).results().map(LastLetter::group).filter(quoted -> !quoted.isBlank())
                .mapToInt(quoted -> quoted.strip().split("\\s+").length).sum();
        return words == 0 ? size : words;
    }

    private static Optional<String> last(String pattern, int words, String text) {
        return Pattern.compile(pattern.formatted(words, words - 1)).matcher(text).results().map(LastLetter::group)
                .reduce((a, b) -> b);
    }

    /** The one group that is there. */
    private static String group(MatchResult found) {
        return IntStream.rangeClosed(1, found.groupCount()).mapToObj(found::group).filter(Objects::nonNull).findFirst()
                .orElseThrow();
    }
}
