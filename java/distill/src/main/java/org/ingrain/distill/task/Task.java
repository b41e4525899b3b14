package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A kind of question. A task defines the fields of its rows, finds the answer in a model's text, and compares answers.
 */
public interface Task {
    /** Name of the task on the command line, and in methods that have a prompt for this task. */
    String name();

    /** Name of the task whose prompts a method uses for questions of this task. */
    default String prompts() {
        return name();
    }

    /** The system message before each prompt, unless the settings or the step of the method have one. */
    default Optional<String> system() {
        return Optional.empty();
    }

    /** Example questions and answers, as messages of the user and the assistant before each bare question. */
    default List<Message> exemplars() {
        return List.of();
    }

    /** Possible names of the field that contains the question, the usual name first. */
    List<String> questionFields();

    /** Possible names of the field that contains the answer, the usual name first. */
    List<String> answerFields();

    /** Names of further fields of a row, in a fixed order. Prompts may contain these names as placeholders. */
    default List<String> fields() {
        return List.of();
    }

    /**
     * Values that are derived from the question, by the name of their placeholder. The names must be the same for all
     * questions of a task.
     */
    default Map<String, String> traits(String question) {
        return Map.of();
    }

    /**
     * The question in at most {@code most} presentation orders. The first element is the given example. In the other
     * elements, the options or responses are in another order, and the id ends with {@code ~1}, {@code ~2} and so on.
     */
    default List<Example> orders(Example example, int most) {
        return List.of(example);
    }

    /** Default number of presentation orders in which each question is evaluated. */
    default int usualTestOrders() {
        return 1;
    }

    /**
     * Throws an InputException if {@code orders} is more than 1 and every question has only one presentation order.
     *
     * @param field    name of the setting whose value is {@code orders}
     * @param examples questions of the run
     */
    default void requireOrders(String field, int orders, List<Example> examples) {
        if (orders > 1 && examples.stream().allMatch(example -> orders(example, orders).size() == 1)) {
            throw InputException.field(field, orders + ", expected 1: questions of task " + name()
                    + " have only one order");
        }
    }

    /**
     * The examples of a row whose layout is specific to this task, such as a row with two questions. Empty if the row
     * instead has the fields {@link #questionFields()} and {@link #answerFields()}.
     *
     * @param where file and line or row number of the row, for error messages
     */
    default List<Example> examples(JsonNode row, String id, String where) {
        return List.of();
    }

    /**
     * The examples of a data file whose layout is specific to this task, such as trees of messages; empty for a file
     * with one question per row.
     */
    default Optional<List<Example>> whole(Path data) {
        return Optional.empty();
    }

    /** Converts the text of the question in the data to the text that the model is asked. */
    default String clean(String question) {
        return question.strip();
    }

    /**
     * Finds the answer in a text and returns it as it is written in a training target. Returns empty if the text has no
     * answer.
     */
    Optional<String> extract(Example example, String text);

    /** A description, for the reader of a report and in whole sentences, of how {@link #extract} finds the answer. */
    default String rule() {
        return "See the class of task " + name() + ".";
    }

    /** Whether the answer is always the whole text. */
    default boolean takesWholeText() {
        return false;
    }

    /** Canonical form of an answer. Two answers are equal if their keys are equal. */
    String key(String answer);

    /**
     * The wider category that contains this category, if there is one. Wider categories are evaluated in addition.
     */
    default Optional<String> wider(String category) {
        return Optional.empty();
    }

    /** Description of a valid answer in a row, for error messages. */
    String answerShape();

    /**
     * The gold answer in the form that {@link #extract} returns. Empty if the example has no gold answer, or if
     * {@code extract} finds no answer in it.
     */
    default Optional<String> gold(Example example) {
        return example.known().flatMap(gold -> extract(example, gold));
    }

    /**
     * Whether an answer is right. The example must have a gold answer.
     *
     * @param answer result of {@link #extract}, or the key of this result. An answer from another presentation order
     *               must be converted to the given order first
     */
    default boolean isRight(Example example, String answer) {
        return key(answer).equals(key(gold(example).orElse(example.gold())));
    }

    /**
     * Generates a question with its answer.
     *
     * @param names names for the question; this method may remove names from the list, so that later questions do not
     *              contain these names
     * @throws InputException if questions of this task cannot be generated
     */
    default Example generate(String id, List<String> names, Random random) {
        throw new InputException("task " + name() + ": its questions cannot be generated; give a file of questions");
    }
}
