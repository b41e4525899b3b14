package org.ingrain.distill.model;

import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.function.Function;

/**
 * An {@link Answerer} for a run whose teacher is not the base model. It passes each call on to one of two answerers.
 * All requests of one call must have the same weights.
 *
 * @param students answers the requests for the base model and the students
 * @param teacher  answers the requests for the teacher; it may be the same object as {@code students}
 * @param weights  the weights that requests to {@code teacher} have in place of {@link ModelState.Teacher}
 */
public record TeacherAnswerer(Answerer students, Answerer teacher, ModelState weights) implements Answerer {
    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        if (first.getFirst().weights() instanceof ModelState.Teacher) {
            TextRequest.answer(teacher, weights, first, done);
        } else {
            students.answer(first, done);
        }
    }

    @Override
    public SortedMap<String, Long> fallbacks() {
        return students.fallbacks();
    }

    @Override
    public SortedSet<String> generators() {
        return students.generators();
    }

    /** Closes both answerers. */
    @Override
    public void close() {
        students.close();
        if (teacher != students) {
            teacher.close();
        }
    }
}
