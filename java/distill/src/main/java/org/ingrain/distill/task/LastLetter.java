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
 * The last letter concatenation task. A question is {@code Take the last letters of the words in "Edgar Bob" and
 * concatenate them.} Its answer is {@code rb}.
 *
 * @param size number of words in a generated question; also the number of letters in the answer to a question that
 *             quotes no words
 */
public record LastLetter(int size) implements Task {
    /** Words in quotation marks of any kind. An apostrophe inside a word is not a quotation mark. */
    private static final Pattern QUOTED_WORDS = Pattern.compile(
            "\"([^\"]*)\"|“([^”]*)”|‘(.*?)’(?!\\p{L})|(?<!\\p{L})'(.*?)'(?!\\p{L})|`([^`]*)`");
    private static final Pattern WORD = Pattern.compile("[^\\p{L}]+");
    private static final String QUOTES = "\"'`*“”‘’";
    /** A fixed number of letters, which form one word or are separated by hyphens, plus signs, commas or blanks. */
    private static final String LETTERS = "(\\p{L}{%1$d}|\\p{L}(?:(?:\\h*[-+,]\\h*|\\h)\\p{L}){%2$d})";
    /**
     * Letters directly after a phrase that introduces the answer. The letters are quoted, or punctuation or the end of
     * the line follows them.
     */
    private static final String AT_ONCE = "\\s*(?:[" + QUOTES + "]+" + LETTERS + "[.,]?[" + QUOTES + "]|" + LETTERS
            + "(?=[.!,;)]|\\s*\\z|\\h*\\R))";
    /** Letters after a phrase that states the answer, as in {@code the answer is "rb"} or {@code result: r-b.} */
    private static final String STATED = "(?i)\\b(?:answer|result|concatenation|string)(?: is:?| would be|:)" + AT_ONCE;
    /**
     * Letters that are quoted or emphasised, or that follow {@code letters are}, {@code together:} or a similar phrase.
     */
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

    /**
     * The placeholder {@code words}; its value is the number of quoted words, or {@code size} if the question quotes
     * none.
     */
    @Override
    public Map<String, String> traits(String question) {
        return Map.of("words", String.valueOf(words(question)));
    }

    @Override
    public String answerShape() {
        return "letters, one for each quoted word of the question; if it quotes none, as many as the setting size";
    }

    /**
     * Searches for n letters, where n is the number of quoted words in the question. There are three searches; each is
     * only used if the one before finds nothing. The first finds the letters after the last {@code answer is} or a
     * similar phrase. The second finds the last letters that are quoted or emphasised, or that follow a phrase such as
     * {@code letters are} or {@code together:}. If these letters are a word of the question, the second search finds
     * nothing. The third uses the whole text if it consists only of n letters. {@code r-b}, {@code r + b} and {@code r,
     * b} are read as {@code rb}. Letters in separate quotation marks, as in {@code "r" and "b"}, are not joined.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        int words = words(example.question());
        Set<String> asked = Stream.of(WORD.split(example.question())).collect(Collectors.toSet());
        return last(STATED, words, text).or(() -> last(SAID, words, text).filter(found -> !asked.contains(found)))
                .or(() -> last(ALONE, words, text)).map(this::key);
    }

    @Override
    public String rule() {
        return "One letter for each word that the question quotes: the letters after the last \"answer is\" or a "
                + "similar phrase, else the last quoted or emphasised letters, else the whole text if it is only such "
                + "letters (our rule).";
    }

    @Override
    public String key(String answer) {
        return LowerCase.of(answer.replaceAll("[^\\p{L}]", ""));
    }

    /**
     * Generates a question and removes its words from {@code names}, so that no word is in two questions. Held-out
     * questions therefore share no word with training questions.
     */
    @Override
    public Example generate(String id, List<String> names, Random random) {
        if (names.size() < size) {
            throw InputException.field("generate", "names left for question " + id + ": " + names.size()
                    + ", expected " + size
                    + "; each name is used once: generate fewer questions or give more names");
        }
        List<String> words = IntStream.range(0, size).mapToObj(i -> names.remove(random.nextInt(names.size())))
                .toList();
        String gold = words.stream().map(word -> word.substring(word.length() - 1)).collect(Collectors.joining());
        String question = "Take the last letters of the words in \"" + String.join(" ", words)
                + "\" and concatenate them.";
        return new Example(id, question, gold.toLowerCase(Locale.ROOT), traits(question), null, List.of());
    }

    /** Number of quoted words in the question; {@code size} if it quotes none. */
    private int words(String question) {
        int words = QUOTED_WORDS.matcher(question).results().map(LastLetter::group).filter(quoted -> !quoted.isBlank())
                .mapToInt(quoted -> quoted.strip().split("\\s+").length).sum();
        return words == 0 ? size : words;
    }

    private static Optional<String> last(String pattern, int words, String text) {
        return Pattern.compile(String.format(Locale.ROOT, pattern, words, words - 1)).matcher(text).results()
                .map(LastLetter::group)
                .reduce((a, b) -> b);
    }

    /** The text of the group that matched. In each pattern, only one group can match. */
    private static String group(MatchResult found) {
        return IntStream.rangeClosed(1, found.groupCount()).mapToObj(found::group).filter(Objects::nonNull).findFirst()
                .orElseThrow();
    }
}
