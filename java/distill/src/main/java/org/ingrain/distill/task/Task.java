package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A kind of question: where its rows hold what, how an answer is found in what a model says, and which answers are
 * equal.
 */
public interface Task {
    /** As on the command line, and as methods name it for prompts of their own. */
    String name();

    /** Names that the field of the question may have, the usual one first. */
    List<String> questionFields();

    /** Names that the field of the answer may have, the usual one first. */
    List<String> answerFields();

    /** What else than the question prompts may hold, by placeholder, in the order in which it is written. */
    default List<String> fields() {
        return List.of();
    }

    /** What prompts may hold of the question itself, by placeholder; the same placeholders for every question. */
    default Map<String, String> traits(String question) {
        return Map.of();
    }

    /**
     * The example as it is given, then the same question with its options or responses in other orders, at most {@code
     * most} in all; their ids are the example's with {@code ~1}, {@code ~2} behind.
     */
    default List<Example> orders(Example example, int most) {
        return List.of(example);
    }

    /** Orders in which each question is evaluated by default. */
    default int usualTestOrders() {
        return 1;
    }

    /**
     * Refuses other orders where questions have none.
     *
     * @param field    that asks for them
     * @param examples of the data
     */
    default void requireOrders(String field, int orders, List<Example> examples) {
        if (orders > 1 && examples.stream().allMatch(example -> orders(example, orders).size() == 1)) {
            throw InputException.field(field, orders + ", expected 1: questions of task " + name()
                    + " have one order alone");
        }
    }

    /**
     * The examples of a row whose fields are not those above, such as one that holds two questions; none where they
     * are.
     *
     * @param where file and line, for messages
     */
    default List<Example> examples(JsonNode row, String id, String where) {
        return List.of();
    }

    /** The examples of data that are not one row each, such as trees of messages; empty where they are. */
    default Optional<List<Example>> whole(Path data) {
        return Optional.empty();
    }

    /** The question as it is asked, from what the row holds. */
    default String clean(String question) {
        return question.strip();
    }

    /** The answer that a text gives, in the form that a student is taught; empty if it gives none. */
    Optional<String> extract(Example example, String text);

    /** Whether the answer that a text gives is the whole text, whatever it says. */
    default boolean takesWholeText() {
        return false;
    }

    /** What two equal answers have in common. */
    String key(String answer);

    /** A wider category that a category of examples is part of, and that is measured too; empty if there is none. */
    default Optional<String> wider(String category) {
        return Optional.empty();
    }

    /** What is expected of a row's answer, for messages. */
    String answerShape();

    /**
     * Whether an answer is the gold one. Only for examples that have one.
     *
     * @param answer as {@link #extract} found it, or its key; of another order than the given one, as it would be in
     *               that
     */
    default boolean isRight(Example example, String answer) {
        return key(answer).equals(key(extract(example, example.gold()).orElse(example.gold())));
    }

    /**
     * A new question with its answer.
     *
     * @param names what it may be made of; those that it takes out are in no other question
     * @throws InputException if this task's questions cannot be made up
     */
    default Example generate(String id, List<String> names, Random random) {
        throw new InputException("task " + name() + ": its questions cannot be generated; give a file of them");
    }
}
