package org.ingrain.distill.task;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.ingrain.template.Message;

/**
 * One question in one presentation order of its options or responses.
 *
 * @param id         id of the question; unique in its file, and the same each time the file is read
 * @param question   text of the question, without the prompt of a method
 * @param gold       the right answer; null if it is unknown
 * @param fields     values of further placeholders in prompts, by name
 * @param category   category of the question, or null
 * @param references reference votes of humans or of other judges, as keys of answers in the given order; empty if there
 *                   are none
 * @param relabel    map from answers in this presentation order to answers in the given order; empty for the given
 *                   order
 * @param given      null if this example is in the given order, which is the order in the data. Otherwise the id of the
 *                   same example in the given order
 * @param group      common key of all variants of a question, such as the text of the question without the user's
 *                   opinion; null if the question has no variants
 * @param set        name of the test file that the question is from; null if there is at most one test file
 * @param context    messages before each prompt about this question: the system message and earlier turns of the
 *                   conversation, if there are any
 */
public record Example(String id, String question, String gold, Map<String, String> fields, String category,
        List<String> references, Map<String, String> relabel, String given, String group, String set,
        List<Message> context) {
    public Example {
        fields = sorted(fields);
        references = references == null ? List.of() : List.copyOf(references);
        relabel = sorted(relabel);
        context = context == null ? List.of() : List.copyOf(context);
    }

    /**
     * Sorts the entries. The iteration order of {@link Map#of} differs between processes, but every process must write
     * the same files for a run.
     */
    private static Map<String, String> sorted(Map<String, String> map) {
        return map == null ? Map.of() : Collections.unmodifiableMap(new TreeMap<>(map));
    }

    /** A question that has no further fields, no category and no reference votes. */
    public Example(String id, String question, String gold) {
        this(id, question, gold, Map.of(), null, List.of());
    }

    /** A question in the given order and without variants. */
    public Example(String id, String question, String gold, Map<String, String> fields, String category,
            List<String> references) {
        this(id, question, gold, fields, category, references, Map.of(), null, null, null, List.of());
    }

    public Optional<String> known() {
        return Optional.ofNullable(gold);
    }

    /** A copy of this example with other fields. */
    public Example with(Map<String, String> other) {
        return new Example(id, question, gold, other, category, references, relabel, given, group, set, context);
    }

    /** A copy of this example that belongs to a group of variants. */
    Example of(String newGroup) {
        return new Example(id, question, gold, fields, category, references, relabel, given, newGroup, set, context);
    }

    /** A copy of this example with another context. */
    Example within(List<Message> newContext) {
        return new Example(id, question, gold, fields, category, references, relabel, given, group, set, newContext);
    }

    /** A copy of this example with another right answer. */
    Example withGold(String newGold) {
        return new Example(id, question, newGold, fields, category, references, relabel, given, group, set, context);
    }

    /** A copy of this example, as a question of a test file. The new id begins with the name of the file. */
    Example in(String newSet) {
        return new Example(newSet + "/" + id, question, gold, fields, category, references, relabel, given, group,
                newSet, context);
    }

    /**
     * A copy of this example in another presentation order.
     *
     * @param number number of the presentation order, from 1; the new id is this example's id followed by {@code ~} and
     *               the number
     */
    Example reordered(int number, String newQuestion, Map<String, String> newFields, Map<String, String> newRelabel) {
        return new Example(id + "~" + number, newQuestion, gold, newFields, category, references, newRelabel, id,
                group, set, context);
    }

    /** Whether the options or responses are in the given order, which is the order in the data. */
    public boolean isAsGiven() {
        return given == null;
    }

    /** Converts the key of an answer from this presentation order to the given order. */
    public String canonical(String key) {
        return relabel.getOrDefault(key, key);
    }

    /** Values of all placeholders in prompts, by name. */
    public Map<String, String> values() {
        Map<String, String> values = new LinkedHashMap<>(fields);
        values.put("question", question);
        return values;
    }
}
