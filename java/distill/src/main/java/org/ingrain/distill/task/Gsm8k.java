package org.ingrain.distill.task;

import java.util.List;
import java.util.Optional;

/**
 * Grade-school mathematics (GSM8K, arXiv:2110.14168). The answer is a number. In the data it follows {@code ####}.
 */
public record Gsm8k() implements Task {
    @Override
    public String name() {
        return "gsm8k";
    }

    @Override
    public List<String> questionFields() {
        return List.of("question");
    }

    @Override
    public List<String> answerFields() {
        return List.of("answer");
    }

    @Override
    public String answerShape() {
        return AnswerFormat.NUMBER.shape();
    }

    @Override
    public Optional<String> extract(Example example, String text) {
        return AnswerFormat.NUMBER.extract(text);
    }

    @Override
    public String rule() {
        return AnswerFormat.NUMBER.rule();
    }

    @Override
    public String key(String answer) {
        return AnswerFormat.NUMBER.key(answer);
    }
}
