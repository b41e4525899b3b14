package org.ingrain.distill.sample;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.distill.model.Finish;
import org.ingrain.files.JsonFields;
import org.ingrain.files.JsonRows;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * One answer in a file of answers that another program sampled. A row of the file has one of two forms:
 *
 * <pre>
 *   {"id": "7", "sample": 0, "texts": ["In other words: ...", "The answer is ..."], "tokens": [31, 12]}
 *   {"custom_id": "7#0", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "..."}}]}}}
 * </pre>
 *
 * <p>The first form is Ingrain's. It can have {@code question} in place of {@code id}. If the method has one step, it
 * can have {@code text} in place of {@code texts}. {@code sample} and {@code tokens} may be missing. The second form is
 * the output of OpenAI's and vLLM's batch programs; each choice is an answer.
 *
 * @param where  file and line, for error messages
 * @param key    id or text of the question
 * @param byText whether {@code key} is the text of the question
 * @param sample number of the sample; -1 if the row has none
 * @param choice index among the answers of the row
 * @param texts  texts of the steps
 * @param tokens numbers of generated tokens of the texts; null if they are unknown
 * @param finish reason why the last text ended
 */
record AnswerRow(String where, String key, boolean byText, int sample, int choice, List<String> texts,
        List<Integer> tokens, Finish finish) {
    private static final Pattern NUMBERED = Pattern.compile("(.*)#(\\d{1,9})", Pattern.DOTALL);

    /** The answers of a file. {@code failed} is the number of failed requests in a batch output. */
    record All(List<AnswerRow> rows, String format, int failed) {
    }

    /** @throws InputException if the file cannot be read, has no answer, or has a malformed row */
    static All read(Path file) {
        List<AnswerRow> rows = new ArrayList<>();
        int[] batches = new int[1];
        int[] failed = new int[1];
        JsonRows.until(file, (node, where) -> {
            if (!node.isObject()) {
                throw new InputException(where + ": expected an object with id and text, or a row of a batch output");
            }
            JsonFields row = new JsonFields(where, node);
            if (!row.has("custom_id")) {
                rows.add(own(row));
            } else if (hasFailed(node)) {
                batches[0]++;
                failed[0]++;
            } else {
                batches[0]++;
                rows.addAll(batch(row));
            }
            return true;
        });
        if (rows.isEmpty()) {
            throw new InputException(file + ": no answers" + (failed[0] == 0 ? "" : ", because " + failed[0]
                    + " requests of the batch have failed") + ", expected at least one");
        }
        return new All(rows, batches[0] == 0 ? "answers" : "batch output", failed[0]);
    }

    private static AnswerRow own(JsonFields row) {
        if (row.has("id") == row.has("question")) {
            throw new InputException(row.where() + ": id and question: both or neither, expected exactly one");
        }
        if (row.has("text") == row.has("texts")) {
            throw new InputException(row.where() + ": text and texts: both or neither, expected exactly one");
        }
        boolean byText = row.has("question");
        List<String> texts = row.has("text") ? List.of(row.text("text")) : row.texts("texts");
        List<Integer> tokens = row.has("tokens") ? row.integers("tokens") : null;
        if (tokens != null && (tokens.size() != texts.size() || tokens.stream().anyMatch(n -> n < 0))) {
            throw new InputException(row.where() + ": tokens is " + tokens + ", expected a number for each of "
                    + texts.size() + " texts");
        }
        int sample = row.integer("sample", -1);
        if (row.has("sample") && sample < 0) {
            throw new InputException(row.where() + ": sample is " + sample + ", expected 0 or more");
        }
        JsonNode id = byText ? null : row.node("id");
        return new AnswerRow(row.where(), byText ? row.text("question").strip() : id.isIntegralNumber()
                ? id.asString() : row.text("id"), byText, sample, 0, texts, tokens, Finish.STOP);
    }

    private static boolean hasFailed(JsonNode row) {
        JsonNode status = row.path("response").path("status_code");
        return row.path("error").isObject() || row.path("response").isNull()
                || status.isInt() && status.intValue() != 200;
    }

    private static List<AnswerRow> batch(JsonFields row) {
        JsonFields body = row.object("response").object("body");
        JsonNode choices = body.node("choices");
        if (!choices.isArray() || choices.isEmpty()) {
            throw new InputException(body.where() + ": choices has no choice, expected a list with at least one");
        }
        List<AnswerRow> rows = new ArrayList<>();
        for (JsonNode node : choices.values()) {
            JsonFields choice = body.within("choices", node);
            String text = choice.has("message") ? choice.object("message").text("content") : choice.text("text");
            List<Integer> tokens = choices.size() == 1 && body.has("usage")
                    && body.object("usage").has("completion_tokens")
                    ? List.of(body.object("usage").integer("completion_tokens")) : null;
            rows.add(new AnswerRow(row.where(), row.text("custom_id"), false, -1, choice.integer("index", rows.size()),
                    List.of(text), tokens, choice.text("finish_reason", "stop").equals("length")
                    ? Finish.LENGTH : Finish.STOP));
        }
        return rows;
    }

    /**
     * Splits a key such as {@code 7#0} into the id {@code 7} and the sample number 0, and returns a copy of this row
     * with them. Returns this row unchanged if its key does not have this form, or if the row already has a sample
     * number.
     */
    AnswerRow numbered() {
        Matcher numbered = NUMBERED.matcher(key);
        return byText || sample >= 0 || !numbered.matches() ? this : new AnswerRow(where, numbered.group(1), false,
                Integer.parseInt(numbered.group(2)), choice, texts, tokens, finish);
    }
}
