package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A kind of question: the fields of its rows, how to find an answer in a model's text, and which answers are equal.
 */
public interface Task {
    /** Name on the command line, and in methods that have a prompt for this task. */
    String name();

    /** Possible names of the question's field, the usual name first. */
    List<String> questionFields();

    /** Possible names of the answer's field, the usual name first. */
    List<String> answerFields();

    /** Further fields of a row that prompts may contain as placeholders, in a fixed order. */
    default List<String> fields() {
        return List.of();
    }

    /** Values derived from the question, by placeholder. All questions have the same placeholders. */
    default Map<String, String> traits(String question) {
        return Map.of();
    }

    /**
     * The given example, then the same question with its options or responses in other orders, at most {@code most} in
     * total. The other orders have the id of the example followed by {@code ~1}, {@code ~2} and so on.
     */
    default List<Example> orders(Example example, int most) {
        return List.of(example);
    }

    /** Default number of orders in which each question is evaluated. */
    default int usualTestOrders() {
        return 1;
    }

    /**
     * Refuses several orders if the questions have only one.
     *
     * @param field    setting that asks for several orders
     * @param examples examples of the data
     */
    default void requireOrders(String field, int orders, List<Example> examples) {
        if (orders > 1 && examples.stream().allMatch(example -> orders(example, orders).size() == 1)) {
            throw InputException.field(field, orders + ", expected 1: questions of task " + name()
                    + " have only one order");
        }
    }

    /**
     * The examples of a row with other fields than those above, such as a row with two questions; none for other rows.
     *
     * @param where file and line, for messages
     */
    default List<Example> examples(JsonNode row, String id, String where) {
        return List.of();
    }

    /** The examples of a data file with its own layout, such as trees of messages; empty for a file of rows. */
    default Optional<List<Example>> whole(Path data) {
        return Optional.empty();
    }

    /** The question as asked, from the text in the row. */
    default String clean(String question) {
        return question.strip();
    }

    /** The answer in a text, in the form in which a student is trained on it; empty if there is none. */
    Optional<String> extract(Example example, String text);

    /** Whether the answer is always the whole text. */
    default boolean takesWholeText() {
        return false;
    }

    /** Canonical form of an answer: two answers are equal if their keys are. */
    String key(String answer);

    /** The wider category that contains a category and is evaluated, too; empty if there is none. */
    default Optional<String> wider(String category) {
        return Optional.empty();
    }

    /** Description of a valid answer in a row, for messages. */
    String answerShape();

    /**
     * Whether an answer equals the gold answer. The example must have one.
     *
     * @param answer result of {@link #extract}, or its key; for another order, the answer in terms of the given order
     */
    default boolean isRight(Example example, String answer) {
        return key(answer).equals(key(extract(example, example.gold()).orElse(example.gold())));
    }

    /**
     * Generates a question with its answer.
     *
     * @param names names to use; a name that is removed from the list appears in no other question
     * @throws InputException if questions of this task cannot be generated
     */
    default Example generate(String id, List<String> names, Random random) {
        throw new InputException("task " + name() + ": its questions cannot be generated; give a file of them");
    }
}
