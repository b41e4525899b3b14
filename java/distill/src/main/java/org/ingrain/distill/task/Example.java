package org.ingrain.distill.task;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One question.
 *
 * @param id         unique in its file, the same each time it is read
 * @param question   what is asked, without any method's words
 * @param gold       the right answer, or null where none is known
 * @param fields     what else prompts may hold, by placeholder
 * @param category   of the question, or null
 * @param references votes of humans or of other judges, as canonical answers; empty where there are none
 * @param relabel    where options or responses are asked in another order: answer in this order to answer in the one
 *                   given; else empty
 * @param given      where they are, the id of the example in the order given; else null
 * @param group      what the variants of one question have in common, such as the question without any opinion; null:
 *                   it has no variants
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

    /** A question in the order given and without variants. */
    public Example(String id, String question, String gold, Map<String, String> fields, String category,
            List<String> references) {
        this(id, question, gold, fields, category, references, Map.of(), null, null);
    }

    public Optional<String> known() {
        return Optional.ofNullable(gold);
    }

    /** This with other fields. */
    public Example with(Map<String, String> other) {
        return new Example(id, question, gold, other, category, references, relabel, given, group);
    }

    /** This as a variant of a question. */
    Example of(String newGroup) {
        return new Example(id, question, gold, fields, category, references, relabel, given, newGroup);
    }

    /**
     * This in another order.
     *
     * @param number from 1; the id is this one's with {@code ~} and the number behind
     */
    Example reordered(int number, String newQuestion, Map<String, String> newFields, Map<String, String> newRelabel) {
        return new Example(id + "~" + number, newQuestion, gold, newFields, category, references, newRelabel, id,
                group);
    }

    /** Whether options and responses stand in the order in which the data has them. */
    public boolean isAsGiven() {
        return given == null;
    }

    /** An answer's key as it would be in the order given. */
    public String canonical(String key) {
        return relabel.getOrDefault(key, key);
    }

    /** What prompts may hold, by placeholder. */
    public Map<String, String> values() {
        Map<String, String> values = new LinkedHashMap<>(fields);
        values.put("question", question);
        return values;
    }
}
