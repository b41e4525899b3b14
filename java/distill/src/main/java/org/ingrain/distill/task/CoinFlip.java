package org.ingrain.distill.task;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;

/**
 * The coin flip task. A question is {@code A coin is heads up. hiram does not flip the coin. nicoletto flips the coin.
 * Is the coin still heads up?} The answer is {@code yes} if the number of flips is even.
 *
 * @param suffix text that is appended to each question, such as {@code Flip means reverse.}; empty for no text
 * @param size   number of people in a generated question
 */
public record CoinFlip(String suffix, int size) implements Task {
    private static final Pattern FACE = Pattern.compile("(?i)(?<!\\bor )\\b(?:heads|tails)\\b(?! or\\b)");
    private static final Pattern SENTENCE_END = Pattern.compile("(?<=[.!?])\\s+|\\R+");

    @Override
    public String name() {
        return "coin-flip";
    }

    @Override
    public List<String> questionFields() {
        return List.of("inputs", "question");
    }

    @Override
    public List<String> answerFields() {
        return List.of("targets", "answer");
    }

    @Override
    public String answerShape() {
        return "yes or no";
    }

    /**
     * Removes a leading {@code Q:} and a trailing {@code A:}, replaces repeated spaces by one, and appends the suffix.
     */
    @Override
    public String clean(String question) {
        String bare = question.strip().replaceFirst("^Q:\\s*", "").replaceFirst("\\s*A:$", "").replaceAll("\\s+", " ");
        return suffix.isBlank() || bare.endsWith(suffix.strip()) ? bare : bare + " " + suffix.strip();
    }

    /**
     * Finds the yes or no that follows a phrase such as {@code answer is} or begins the text. If there is none, the
     * side of the coin in the last sentence gives the answer: yes for heads, no for tails. If the last sentence is a
     * question or names no side, the answer is the last yes or no anywhere in the text. {@code not heads} means tails;
     * {@code whether heads} names no side.
     */
    @Override
    public Optional<String> extract(Example example, String text) {
        return YesNo.stated(text).or(() -> face(text)).or(() -> YesNo.mentioned(text));
    }

    @Override
    public String rule() {
        return "The yes or no that the text states. If it states neither, heads in its last sentence counts as yes "
                + "and tails as no (our rule, not the paper's); otherwise the last yes or no in the text.";
    }

    @Override
    public String key(String answer) {
        return answer.strip().toLowerCase(Locale.ROOT);
    }

    @Override
    public Example generate(String id, List<String> names, Random random) {
        if (names.size() < Math.max(2, size)) {
            throw InputException.field("names", names.size() + ", expected " + Math.max(2, size)
                    + " or more different ones");
        }
        StringBuilder question = new StringBuilder("A coin is heads up.");
        int flips = 0;
        String before = "";
        for (int i = 0; i < size; i++) {
            String who = before;
            while (who.equals(before)) {
                who = names.get(random.nextInt(names.size()));
            }
            boolean flip = random.nextBoolean();
            flips += flip ? 1 : 0;
            question.append(' ').append(who).append(flip ? " flips the coin." : " does not flip the coin.");
            before = who;
        }
        question.append(" Is the coin still heads up?");
        return new Example(id, clean(question.toString()), flips % 2 == 0 ? "yes" : "no");
    }

    /**
     * The answer according to the side of the coin in the last sentence; empty if this sentence is a question or names
     * no side. Earlier sentences are ignored, because they may only repeat the question.
     */
    private static Optional<String> face(String text) {
        String[] sentences = SENTENCE_END.split(text.strip());
        String last = sentences[sentences.length - 1];
        if (last.endsWith("?")) {
            return Optional.empty();
        }
        return FACE.matcher(last).results().filter(found -> !YesNo.open(YesNo.before(last, found.start())))
                .map(found -> found.group().equalsIgnoreCase("heads") != YesNo.denied(YesNo.before(last, found.start()))
                        ? "yes" : "no")
                .reduce((a, b) -> b);
    }
}
