package org.ingrain.distill.task;

import java.util.List;
import java.util.Optional;

/**
 * The task of a user's own questions.
 *
 * @param format format of the answers
 */
public record QuestionAnswer(AnswerFormat format) implements Task {
    @Override
    public String name() {
        return "question-answer";
    }

    @Override
    public List<String> questionFields() {
        return List.of("question", "prompt", "input", "inputs");
    }

    @Override
    public List<String> answerFields() {
        return List.of("answer", "target", "targets", "output");
    }

    @Override
    public String answerShape() {
        return format.shape();
    }

    @Override
    public Optional<String> extract(Example example, String text) {
        return format.extract(text);
    }

    @Override
    public boolean takesWholeText() {
        return format == AnswerFormat.TEXT;
    }

    @Override
    public String rule() {
        return format.rule();
    }

    @Override
    public String key(String answer) {
        return format.key(answer);
    }
}
