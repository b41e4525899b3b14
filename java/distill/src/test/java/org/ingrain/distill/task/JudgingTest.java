package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.ingrain.distill.Shared;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Tests how pairs of responses are read, and how a judge of such pairs is evaluated. */
class JudgingTest {
    @TempDir
    Path base;

    /**
     * Evaluates a judge that answers with the given texts. The keys of {@code says} are example ids, with ~1 if the
     * responses are swapped.
     */
    private ArmResult judge(List<Example> examples, Map<String, String> says) {
        EvaluateConfig config = new EvaluateConfig(SamplingParams.greedy(8), List.of(), 2, List.of());
        try (RunFolder run = RunFolder.open(base.resolve("run"), Manifest.of(List.of(), List.of()))) {
            return new Evaluation(config, new Pairwise(), examples)
                    .measure(Arm.single("judge", "Judge", Methods.direct(), new ModelState.Base()), run.path(),
                            (first, done) -> first.forEach(request ->
                                    done.apply(new TextCompletion(request.key(), says.get(request.key().id()), 4,
                                            Finish.STOP))), new Stopwatch("judge", "answers", run.log(),
                                            Progress.SILENT), run.digests());
        }
    }

    /**
     * Uses GPT-4's verdicts from a file as the texts of a judge. The evaluation reports agreement and inconsistency.
     * The test computes both directly from the file and compares them with the reported values.
     */
    @Test
    void agreementAndInconsistencyOfGpt4() throws IOException {
        Path file = Shared.data("mt_bench_gpt4_pair.jsonl");
        List<Example> examples = Dataset.loadTest(QuestionConfig.of("pairwise", file));
        Map<String, String> says = new HashMap<>();
        int questions = 0;
        int differ = 0;
        double agreement = 0;
        for (String line : Files.readAllLines(file)) {
            JsonNode row = Json.parse(line, "line");
            String first = row.path("g1_winner").asString();
            String second = row.path("g2_winner").asString();
            if (first.equals("error") && second.equals("error")) {
                continue;
            }
            questions++;
            List<String> votes = new ArrayList<>(List.of(first, second));
            votes.remove("error");
            differ += first.equals(second) ? 0 : 1;
            for (String verdict : List.of(first, second)) {
                agreement += votes.stream().filter(verdict::equals).count() / (double) votes.size();
            }
            String id = row.path("question_id").asInt() + "-phi-3-phi-3-dpo";
            says.put(id, "[[" + Map.of("model_1", "A", "model_2", "B", "tie", "C", "error", "?").get(first) + "]]");
            says.put(id + "~1", "[[" + Map.of("model_1", "B", "model_2", "A", "tie", "C", "error", "?")
                    .get(second) + "]]");
        }
        assertEquals(74, questions);
        assertEquals(questions, examples.size());
        ArmResult result = judge(examples, says);
        assertEquals(questions, result.questions());
        assertEquals(2 * questions, result.answers());
        assertEquals(differ / (double) questions, result.judging().inconsistent(), 1e-12);
        assertEquals(agreement / (2 * questions), result.judging().agreement(), 1e-12);
        assertEquals(1, result.unanswered(), "one of GPT-4's judgments in the file is an error");
        assertEquals(8, result.categories().size());
        for (Example example : examples) {
            assertTrue(!example.fields().get("response-a").isBlank() && !example.fields().get("response-b").isBlank(),
                    example.id());
            assertEquals(example.fields().get("response-a"),
                    new Pairwise().orders(example, 2).get(1).fields().get("response-b"));
        }
    }

    private static final String TREE = """
            {"message_tree_id": "t", "prompt": {"message_id": "p", "text": "Why?", "role": "prompter", "lang": "en",
                    "replies": [
             {"message_id": "x", "text": "Because.", "role": "assistant", "lang": "en", "rank": 1, "replies": []},
             {"message_id": "y", "text": "Since it rains.", "role": "assistant", "lang": "en", "rank": 0,
                     "replies": []},
             {"message_id": "z", "text": "unranked", "role": "assistant", "lang": "en", "rank": null, "replies": []}]}}
            """.replace("\n", " ");
    private static final List<String> MESSAGES = List.of(
            "{\"message_id\": \"p\", \"parent_id\": null, \"text\": \"Why?\", \"role\": \"prompter\", \"lang\": "
            + "\"en\"}",
            "{\"message_id\": \"x\", \"parent_id\": \"p\", \"text\": \"Because.\", \"role\": \"assistant\", \"lang\": "
            + "\"en\", \"rank\": 1}",
            "{\"message_id\": \"q\", \"parent_id\": null, \"text\": \"Warum?\", \"role\": \"prompter\", \"lang\": "
            + "\"de\"}",
            "{\"message_id\": \"y\", \"parent_id\": \"p\", \"text\": \"Since it rains.\", \"role\": \"assistant\", "
            + "\"lang\": \"en\", \"rank\": 0}");

    @Test
    void pairsOfOasstRepliesFromTreesAndFromMessages() throws IOException {
        Path trees = base.resolve("trees.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(trees))) {
            out.write((TREE + "\n").getBytes(StandardCharsets.UTF_8));
        }
        Path messages = Files.write(base.resolve("messages.jsonl"), MESSAGES);
        List<Example> fromTrees = Dataset.loadTest(QuestionConfig.of("pairwise", trees));
        assertEquals(1, fromTrees.size(), "the reply without a rank is in no pair");
        Example pair = fromTrees.getFirst();
        assertEquals("Why?", pair.question());
        assertEquals("Since it rains.", pair.fields().get("response-" + pair.gold().toLowerCase()),
                "the lower rank is better");
        assertEquals(List.of(pair.gold()), pair.references());
        assertEquals(fromTrees, Dataset.loadTest(QuestionConfig.of("pairwise", messages)));
    }

    /** The data is 30 prompts with 4 replies each, and MT-bench questions with two pairs each. */
    @Test
    void pairsOfOnePromptAreHeldOutTogether() throws IOException {
        StringBuilder messages = new StringBuilder();
        for (int prompt = 0; prompt < 30; prompt++) {
            messages.append("{\"message_id\": \"p").append(prompt).append("\", \"parent_id\": null, \"text\": \"Why ")
                    .append(prompt)
                    .append("?\", \"role\": \"prompter\", \"lang\": \"en\"}\n");
            for (int rank = 0; rank < 4; rank++) {
                messages.append("{\"message_id\": \"r").append(prompt).append('-').append(rank)
                        .append("\", \"parent_id\": \"p").append(prompt)
                        .append("\", \"text\": \"So ").append(rank)
                                .append("\", \"role\": \"assistant\", \"lang\": \"en\", \"rank\": ").append(rank)
                        .append("}\n");
            }
        }
        Dataset replies = Dataset.load(QuestionConfig.of(
                "pairwise", Files.writeString(base.resolve("messages.jsonl"), messages)));
        assertEquals(List.of(144, 36, 0), List.of(replies.pool().size(), replies.test().size(), replies.dropped()));
        StringBuilder questions = new StringBuilder();
        StringBuilder judged = new StringBuilder();
        StringBuilder answers = new StringBuilder();
        for (int question = 0; question < 20; question++) {
            questions.append("{\"question_id\": ").append(question).append(", \"turns\": [\"Why ").append(question)
                    .append("?\"]}\n");
            answers.append("{\"question_id\": ").append(question).append(", \"choices\": [{\"turns\": [\"So\"]}]}\n");
            for (String other : List.of("b", "c")) {
                judged.append("{\"question_id\": ").append(question)
                        .append(", \"winner\": \"model_a\", \"model_a\": \"a\", \"model_b\": \"").append(other)
                        .append("\"}\n");
            }
        }
        Files.writeString(base.resolve("question.jsonl"), questions);
        Path folder = Files.createDirectory(base.resolve("model_answer"));
        for (String model : List.of("a", "b", "c")) {
            Files.writeString(folder.resolve(model + ".jsonl"), answers);
        }
        Dataset pairs = Dataset.load(QuestionConfig.of(
                "pairwise", Files.writeString(base.resolve("judged.jsonl"), judged)));
        assertEquals(List.of(32, 8, 0), List.of(pairs.pool().size(), pairs.test().size(), pairs.dropped()));
    }

    @Test
    void verdictsAreReadAndSwapped() {
        Pairwise task = new Pairwise();
        Example example = new Example("1", "q", "A", Map.of("response-a", "x", "response-b", "y"), null, List.of("A"));
        assertEquals("[[B]]", task.extract(example, "Not [[A]] but [[B]].").orElseThrow());
        assertEquals("[[C]]", task.extract(example, " C.").orElseThrow());
        assertTrue(task.extract(example, "A good answer").isEmpty());
        Example swapped = task.orders(example, 2).get(1);
        assertEquals("A", swapped.canonical(task.key("[[B]]")));
        ArmResult fickle = judge(List.of(example), Map.of("1", "[[A]]", "1~1", "[[A]]"));
        assertEquals(1.0, fickle.judging().inconsistent());
        assertEquals(0.5, fickle.judging().agreement());
        assertEquals(0.0, fickle.judging().bothOrders(), "if the verdicts of the two orders differ, the pair is a tie");
        assertEquals(1, fickle.right());
        assertEquals(0.5, fickle.accuracy());
    }

    @Test
    void idsOfAUsersOwnAreNotTakenForOrders() throws IOException {
        Path file = Files.writeString(base.resolve("rows.jsonl"), row("set~1", "A") + row("set~2", "B"));
        ArmResult steady = judge(Dataset.loadTest(QuestionConfig.of("pairwise", file)),
                Map.of("set~1", "[[A]]", "set~1~1", "[[B]]", "set~2", "[[B]]", "set~2~1", "[[A]]"));
        assertEquals(0.0, steady.judging().inconsistent());
        assertEquals(1.0, steady.accuracy());
    }

    @Test
    void anIdThatAnOrderWouldHaveIsRefused() throws IOException {
        Path file = Files.writeString(base.resolve("rows.jsonl"), row("set~1", "A") + row("set", "B"));
        String said = assertThrows(InputException.class, () -> Dataset.loadTest(QuestionConfig.of("pairwise", file)))
                .getMessage();
        assertEquals(
                file + ": a question has the id set~1, which is also the id of question set in another order, expected "
                + "another id", said);
        Files.writeString(file, row("set~1", "A") + row("set~2", "B") + row("sets", "A"));
        assertEquals(3, Dataset.loadTest(QuestionConfig.of("pairwise", file)).size());
    }

    @Test
    void pairsOfModelsWithOneIdAreRefused() throws IOException {
        Files.writeString(base.resolve("question.jsonl"), "{\"question_id\": 1, \"turns\": [\"q\"]}\n");
        Path answers = Files.createDirectory(base.resolve("model_answer"));
        for (String model : List.of("a", "a-b", "b-c", "c")) {
            Files.writeString(answers.resolve(model + ".jsonl"),
                    "{\"question_id\": 1, \"choices\": [{\"turns\": [\"" + model + "\"]}]}\n");
        }
        String judgment = "{\"question_id\": 1, \"winner\": \"model_a\", \"model_a\": \"%s\", \"model_b\": \"%s\"}\n";
        Path file = Files.writeString(base.resolve("judged.jsonl"),
                judgment.formatted("a", "b-c") + judgment.formatted("a-b", "c"));
        String said = assertThrows(InputException.class, () -> Dataset.loadTest(QuestionConfig.of("pairwise", file)))
                .getMessage();
        assertEquals(file + ": two questions have the id 1-a-b-c, expected different ids", said);
    }

    @Test
    void rowsOfAUsersOwnWithAQuestionIdAreNotMtBench() throws IOException {
        Path file = Files.writeString(base.resolve("rows.jsonl"), row("1", "A").replace("\"id\"", "\"question_id\""));
        assertEquals(
                List.of(new Example("000001", "q", "A", Map.of("response-a", "x", "response-b", "y"), null, List.of())),
                Dataset.loadTest(QuestionConfig.of("pairwise", file)));
    }

    private static String row(String id, String winner) {
        return "{\"id\": \"" + id
                + "\", \"question\": \"q\", \"response-a\": \"x\", \"response-b\": \"y\", \"winner\": \"" + winner
                + "\"}\n";
    }

    private static String conversations(int question, String first, String second, String winner, int turn) {
        String said = "[{\"content\": \"Why %d?\", \"role\": \"user\"}, {\"content\": \"%s says so\", \"role\": "
                + "\"assistant\"}, {\"content\": \"And?\", \"role\": \"user\"}, {\"content\": \"No.\", \"role\": "
                + "\"assistant\"}]";
        return ("{\"question_id\": %d, \"model_a\": \"%s\", \"model_b\": \"%s\", \"winner\": \"%s\", \"judge\": "
                + "\"author_0\", \"conversation_a\": " + said.formatted(question, first) + ", \"conversation_b\": "
                + said.formatted(question, second) + ", \"turn\": %d}\n")
                .formatted(question, first, second, winner, turn);
    }

    /** Rows of Hugging Face's mt_bench_human_judgments contain the conversations, so no other file is needed. */
    @Test
    void judgmentsWithTheirConversations() throws IOException {
        Path file = Files.writeString(base.resolve("human.jsonl"), conversations(81, "a", "b", "model_a", 1)
                + conversations(81, "b", "a", "model_b", 1) + conversations(81, "a", "b", "tie", 1)
                + conversations(81, "a", "b", "model_b", 2) + conversations(82, "b", "a", "tie (inconsistent)", 1));
        List<Example> pairs = Dataset.loadTest(QuestionConfig.of("pairwise", file));
        assertEquals(List.of("81-a-b", "82-b-a"), pairs.stream().map(Example::id).toList());
        assertEquals("Why 81?", pairs.getFirst().question());
        assertEquals(Map.of("response-a", "a says so", "response-b", "b says so"), pairs.getFirst().fields());
        assertEquals(List.of("A", "A", "C"), pairs.getFirst().references());
        assertEquals(List.of("A", "C"), pairs.stream().map(Example::gold).toList());
        Files.writeString(file, conversations(81, "a", "b", "tie", 1).replace("content", "text"));
        String said = assertThrows(InputException.class, () -> Dataset.loadTest(QuestionConfig.of("pairwise", file)))
                .getMessage();
        assertEquals(file + " line 1: conversation_a has no message 1 with content, expected a question and its answer",
                said);
    }

    @Test
    void badJudgmentsAreNamed() throws IOException {
        Path file = Files.writeString(base.resolve("judged.jsonl"),
                "{\"question_id\": 1, \"g1_winner\": \"me\", \"g2_winner\": \"tie\", \"model_1\": \"a\","
                + " \"model_2\": \"b\"}\n");
        String said = assertThrows(InputException.class, () -> Dataset.loadTest(QuestionConfig.of("pairwise", file)))
                .getMessage();
        assertEquals(file + " line 1: g1_winner me, expected model_1, model_2, model_a, model_b or tie", said);
        Files.writeString(file, Files.readString(file).replace("\"me\"", "\"model_1\""));
        said = assertThrows(InputException.class, () -> Dataset.loadTest(QuestionConfig.of("pairwise", file)))
                .getMessage();
        assertTrue(said.startsWith(file + ": no question.jsonl or mt_bench_question.jsonl in its "
                + "folder or the parent folder"), said);
    }

    /**
     * A run folder stores the fields of a question in the iteration order of their map, so this order must be the same
     * in every process.
     */
    @Test
    void responsesAreInOneOrder() throws IOException {
        Path file = base.resolve("pairs.jsonl");
        Files.writeString(
                file, "{\"question\": \"q\", \"response-b\": \"2\", \"response-a\": \"1\", \"answer\": \"[[A]]\"}\n");
        Example pair = Dataset.loadTest(QuestionConfig.of("pairwise", file)).getFirst();
        assertEquals(List.of("response-a", "response-b"), List.copyOf(pair.fields().keySet()));
    }
}
