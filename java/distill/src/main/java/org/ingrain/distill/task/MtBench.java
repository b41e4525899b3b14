package org.ingrain.distill.task;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.distill.task.data.Rows;
import org.ingrain.files.InputFile;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * Reads MT-bench's pairs of answers. The data file has judgments by a model (fields g1_winner and g2_winner, as in
 * FastChat's {@code gpt-4_pair.jsonl}) or by humans (fields model_a, model_b and winner). Rows with the fields
 * conversation_a and conversation_b (Hugging Face's {@code mt_bench_human_judgments}) contain the question and both
 * answers. For other rows, MT-bench's question file and its folder of answers must be in the folder of the data file or
 * in the parent of that folder. Only the first turns of conversations are used. All pairs of answers to one question
 * form a group of variants.
 */
final class MtBench {
    private static final List<String> QUESTIONS = List.of("question.jsonl", "mt_bench_question.jsonl");
    private static final List<String> ANSWERS = List.of("model_answer", "mt_bench_answers");

    private MtBench() {
    }

    /** The id of a question and the names of the two models that answered it. */
    private record Pair(String question, String first, String second) {
        String id() {
            return question + "-" + first + "-" + second;
        }
    }

    /** A question with the answers of both models of a pair. */
    private record Answered(String question, String first, String second, String category) {
    }

    static boolean isJudgments(Path data) {
        JsonNode first = Rows.first(data);
        return first.has("question_id") && (first.has("g1_winner") || first.has("winner"))
                && (first.has("model_1") || first.has("model_a"));
    }

    static List<Example> read(Path data) {
        Map<Pair, List<String>> votes = new LinkedHashMap<>();
        Map<Pair, Answered> answered = new HashMap<>();
        Rows.forEach(data, (row, where) -> {
            if (row.path("turn").asInt(1) == 1) {
                vote(row, where, votes);
                if (row.has("conversation_a")) {
                    answered.putIfAbsent(new Pair(text(row, "question_id", where), text(row, "model_a", where),
                            text(row, "model_b", where)), conversation(row, where));
                }
            }
        });
        List<Pair> missing = votes.keySet().stream().filter(pair -> !answered.containsKey(pair)).toList();
        if (!missing.isEmpty()) {
            fromFiles(data, missing, answered);
        }
        List<Example> examples = new ArrayList<>();
        votes.forEach((pair, cast) -> {
            Answered own = answered.get(pair);
            Map<String, String> fields = Map.of(Pairwise.RESPONSE_A, own.first(), Pairwise.RESPONSE_B, own.second());
            examples.add(new Example(pair.id(), own.question(), Pairwise.majority(cast), fields, own.category(), cast)
                    .of(own.question()));
        });
        return examples.stream().filter(example -> example.gold() != null).toList();
    }

    /** The question and both answers of a row, from the first turns of its two conversations. */
    private static Answered conversation(JsonNode row, String where) {
        return new Answered(said(row, "conversation_a", 0, where), said(row, "conversation_a", 1, where),
                said(row, "conversation_b", 1, where), row.path("category").asString(null));
    }

    private static String said(JsonNode row, String conversation, int message, String where) {
        JsonNode content = row.path(conversation).path(message).path("content");
        if (!content.isString()) {
            throw new InputException(where + ": " + conversation + " has no message " + (message + 1)
                    + " with content, expected a question and its answer");
        }
        return content.asString().strip();
    }

    /** Adds the question and the answers of each pair from the files beside the data file. */
    private static void fromFiles(Path data, List<Pair> pairs, Map<Pair, Answered> answered) {
        Path questionFile = beside(data, QUESTIONS);
        Map<String, JsonNode> questions = new LinkedHashMap<>();
        Rows.forEach(questionFile, (row, where) -> questions.put(text(row, "question_id", where), row));
        Map<String, Map<String, JsonNode>> answers = new LinkedHashMap<>();
        for (Pair pair : pairs) {
            JsonNode question = questions.get(pair.question());
            if (question == null) {
                throw new InputException(questionFile + ": no question_id " + pair.question()
                        + ", expected every question_id of " + data.getFileName());
            }
            answered.put(pair, new Answered(question.path("turns").path(0).asString("").strip(),
                    answer(data, pair.first(), pair.question(), answers),
                    answer(data, pair.second(), pair.question(), answers), question.path("category").asString(null)));
        }
    }

    /**
     * Adds the votes of a judgment. A pair can be judged several times, with its models in either order. The first
     * judgment of the pair determines the letters: A is the first model of this judgment, and B is the second.
     */
    private static void vote(JsonNode row, String where, Map<Pair, List<String>> votes) {
        boolean model = row.has("g1_winner");
        String first = text(row, model ? "model_1" : "model_a", where);
        String second = text(row, model ? "model_2" : "model_b", where);
        String question = text(row, "question_id", where);
        Pair swapped = new Pair(question, second, first);
        boolean turned = votes.containsKey(swapped);
        List<String> cast = votes.computeIfAbsent(turned ? swapped : new Pair(question, first, second),
                pair -> new ArrayList<>());
        for (String field : model ? List.of("g1_winner", "g2_winner") : List.of("winner")) {
            String letter = switch (text(row, field, where)) {
                case "model_1", "model_a" -> turned ? "B" : "A";
                case "model_2", "model_b" -> turned ? "A" : "B";
                case "error" -> "";
                case String tie when tie.startsWith("tie") -> "C";
                case String other -> throw new InputException(
                        where + ": " + field + " " + other + ", expected model_1, model_2, model_a, model_b or tie");
            };
            if (!letter.isEmpty()) {
                cast.add(letter);
            }
        }
    }

    private static String answer(Path data, String model, String question, Map<String, Map<String, JsonNode>> answers) {
        Path file = InputFile.inFolder(beside(data, ANSWERS), model + ".jsonl", data + ": the answers of " + model);
        Map<String, JsonNode> own = answers.computeIfAbsent(model, name -> {
            Map<String, JsonNode> rows = new LinkedHashMap<>();
            Rows.forEach(file, (row, where) -> rows.put(text(row, "question_id", where), row));
            return rows;
        });
        JsonNode turn = own.getOrDefault(question, MissingNode.getInstance()).path("choices").path(0).path("turns")
                .path(0);
        if (!turn.isString()) {
            throw new InputException(file + ": no answer to question_id " + question
                    + ", expected choices[0].turns[0] for each judged question");
        }
        return turn.asString().strip();
    }

    private static Path beside(Path data, List<String> names) {
        Path folder = data.toAbsolutePath().getParent();
        return Stream.of(folder, folder.getParent()).filter(at -> at != null)
                .flatMap(at -> names.stream().map(at::resolve)).filter(Files::exists)
                .findFirst().orElseThrow(() -> new InputException(data + ": no " + String.join(" or ", names)
                        + " in its folder or the parent folder, expected MT-bench's questions and answers there"));
    }

    private static String text(JsonNode row, String field, String where) {
        JsonNode value = row.path(field);
        if (!value.isString() && !value.isNumber()) {
            throw new InputException(where + ": no " + field + ", expected MT-bench's fields");
        }
        return value.asString();
    }
}
