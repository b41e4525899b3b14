package org.ingrain.distill.task;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One question.
 *
 * @param id         unique in its file, and the same whenever the file is read
 * @param question   text of the question, without the prompt of a method
 * @param gold       the right answer, or null if unknown
 * @param fields     values of further placeholders in prompts
 * @param category   category of the question, or null
 * @param references votes of humans or of other judges, as canonical answers; empty if there are none
 * @param relabel    if the options or responses are in another order: maps answers in this order to answers in the
 *                   given order; else empty
 * @param given      if they are in another order: id of the example in the given order; else null
 * @param group      common key of the variants of a question, such as the question without an opinion; null if there
 *                   are no variants
 */
public record Example(String id, String question, String gold, Map<String, String> fields, String category,
        List<String> references, Map<String, String> relabel, String given, String group) {
    public Example {
        fields = fields == null ? Map.of() : fields;
        references = references == null ? List.of() : List.copyOf(references);
        relabel = relabel == null ? Map.of() : relabel;
    }

    /** A plain question. */
    public Example(String id, String question, String gold) {
        this(id, question, gold, Map.of(), null, List.of());
    }

    /** A question in the given order and without variants. */
    public Example(String id, String question, String gold, Map<String, String> fields, String category,
            List<String> references) {
        this(id, question, gold, fields, category, references, Map.of(), null, null);
    }

    public Optional<String> known() {
        return Optional.ofNullable(gold);
    }

    /** This example with other fields. */
    public Example with(Map<String, String> other) {
        return new Example(id, question, gold, other, category, references, relabel, given, group);
    }

    /** This example as a variant of a question. */
    Example of(String newGroup) {
        return new Example(id, question, gold, fields, category, references, relabel, given, newGroup);
    }

    /**
     * This example in another order.
     *
     * @param number number of the order, from 1; the new id is this example's id, {@code ~} and the number
     */
    Example reordered(int number, String newQuestion, Map<String, String> newFields, Map<String, String> newRelabel) {
        return new Example(id + "~" + number, newQuestion, gold, newFields, category, references, newRelabel, id,
                group);
    }

    /** Whether options and responses are in the given order, that of the data. */
    public boolean isAsGiven() {
        return given == null;
    }

    /** The key of an answer in terms of the given order. */
    public String canonical(String key) {
        return relabel.getOrDefault(key, key);
    }

    /** Values of the placeholders in prompts. */
    public Map<String, String> values() {
        Map<String, String> values = new LinkedHashMap<>(fields);
        values.put("question", question);
        return values;
    }
}
