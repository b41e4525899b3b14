package org.ingrain.distill.task;

import java.util.List;
import org.ingrain.tensor.InputException;

/**
 * Which kind of question.
 *
 * @param name         one of {@link #NAMES}
 * @param answerFormat for question-answer, null for text
 * @param suffix       for coin-flip: said after each question
 * @param size         of a question that is made up: words of last-letter (also of a question that quotes none), people of coin-flip; 0 for two
 */
public record TaskConfig(String name, AnswerFormat answerFormat, String suffix, int size) {
    public static final List<String> NAMES = List.of("last-letter", "coin-flip", "sycophancy", "multiple-choice", "pairwise", "gsm8k",
            "question-answer");
    private static final int MOST = 16;

    public TaskConfig {
        if (!NAMES.contains(name)) {
            throw InputException.field("task", name + ", expected one of " + String.join(", ", NAMES));
        }
        if (answerFormat != null && !name.equals("question-answer")) {
            throw InputException.field("answerFormat", "only for task question-answer; " + name + " has its own");
        }
        suffix = suffix == null ? "" : suffix;
        if (!suffix.isEmpty() && !name.equals("coin-flip")) {
            throw InputException.field("suffix", "only for task coin-flip");
        }
        if (size != 0 && !name.equals("last-letter") && !name.equals("coin-flip")) {
            throw InputException.field("size",
                    "only for tasks last-letter (words) and coin-flip (people), whose questions can be made up");
        }
        if (size < 0 || size > MOST) {
            throw InputException.field("size", size + ", expected 1 to " + MOST);
        }
    }

    /** As usual. */
    public static TaskConfig of(String name) {
        return new TaskConfig(name, null, null, 0);
    }

    public Task make() {
        int parts = size == 0 ? 2 : size;
        return switch (name) {
            case "last-letter" -> new LastLetter(parts);
            case "coin-flip" -> new CoinFlip(suffix, parts);
            case "sycophancy" -> new Sycophancy();
            case "multiple-choice" -> new MultipleChoice();
            case "pairwise" -> new Pairwise();
            case "gsm8k" -> new Gsm8k();
            default -> new QuestionAnswer(answerFormat == null ? AnswerFormat.TEXT : answerFormat);
        };
    }
}
