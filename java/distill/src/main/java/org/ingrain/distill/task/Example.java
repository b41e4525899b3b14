package org.ingrain.distill.task;

import java.util.Optional;

/**
 * One question.
 *
 * @param id       unique in its file, the same each time it is read
 * @param question what is asked, without any method's words
 * @param gold     the right answer, or null where none is known
 */
public record Example(String id, String question, String gold) {
    public Optional<String> known() {
        return Optional.ofNullable(gold);
    }
}
