package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** Tests a user's own task, prompts in files of rows, and suggestions for names with spelling errors. */
class OwnTaskCommandsTest {
    private static final Path SHIPPED = Path.of(System.getProperty("ingrain.root"), "models");

    @TempDir
    private Path temp;

    private List<String> promptTexts(String name, String content) throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Run run = Run.of("generate", "--model", model, "--prompts", Files.writeString(temp.resolve(name), content),
                "--max-tokens", 1, "--json");
        assertEquals(0, run.status(), run.err());
        assertTrue(run.err().contains("chat template: none in " + model), run.err());
        return run.out().lines().map(line -> Json.parse(line, "output")).map(row -> row.get("prompt_text").asString())
                .toList();
    }

    @Test
    void promptsAreRows() throws IOException {
        assertEquals(List.of("ab", "c"), promptTexts("p.jsonl", "{\"prompt\": \"ab\"}\n{\"question\": \"c\"}\n"));
        assertEquals(List.of("ab", "c"), promptTexts("p.csv", "id,question\n1,ab\n2,c\n"));
        assertEquals(List.of("c"), promptTexts("p.json", "[{\"messages\": [{\"role\": \"user\", \"content\": \"ab\"}, "
                + "{\"role\": \"assistant\", \"content\": \"b\"}, {\"role\": \"user\", \"content\": \"c\"}]}]"));
        assertEquals(List.of("{\"prompt\": \"ab\"}"), promptTexts("p.txt", "{\"prompt\": \"ab\"}\n"));
    }

    @Test
    void faultyPromptsAreOneLine() throws IOException {
        Path rows = Files.writeString(temp.resolve("p.jsonl"), "{\"body\": 1}\n");
        assertEquals("ingrain: " + rows + " line 1: expected a prompt in prompt, question, text or messages; the row "
                + "has body", Run.of("generate", "--model", "x", "--prompts", rows).complaint());
        Path binary = Files.write(temp.resolve("p.bin"), new byte[] {'a', 0, '\n'});
        assertTrue(Run.of("generate", "--model", "x", "--prompts", binary).complaint().contains("is a binary file"));
        Path parquet = Files.write(temp.resolve("p.parquet"), new byte[] {'P', 'A', 'R', '1', 0});
        Run run = Run.of("generate", "--model", "x", "--prompts", parquet);
        assertTrue(run.complaint().contains("Parquet"), run.err());
        assertEquals(1, run.err().lines().count(), run.err());
    }

    @ParameterizedTest
    @CsvSource({"finetune --lr 1,--learning-rate", "generate --promt x,--prompt",
        "generate --max_tokens 3,--max-tokens", "generate --max-new-tokens=3,--max-tokens", "distil,distill",
        "evaluate --data x --taks y,--task"})
    void mistypedNamesHaveASuggestion(String line, String meant) {
        Run run = Run.of((Object[]) line.split(" "));
        assertEquals(2, run.status());
        assertTrue(run.complaint().contains("(did you mean " + meant + "?)"), run.err());
        assertEquals(1, run.err().lines().count(), run.err());
    }

    @Test
    void namesOfTasksMethodsAndRecipesHaveASuggestion() {
        Object[] rest = {"--model", SHIPPED.resolve("lab"), "--generate", 4, "--output", temp.resolve("run")};
        for (String[] wrong : new String[][] {{"--task", "coin-filp"}, {"--method", "rar-2step"},
                {"--recipe", "rar-lastletter"}}) {
            List<Object> words = new ArrayList<>(List.of("distill", wrong[0], wrong[1]));
            if (wrong[0].equals("--method")) {
                words.addAll(List.of("--task", "coin-flip"));
            }
            words.addAll(List.of(rest));
            Run run = Run.of(words.toArray());
            assertTrue(run.complaint().endsWith("?)"), run.err());
        }
    }

    /**
     * Runs the distillation of the README's section "Your own task" with fewer questions. The lab model was not trained
     * with system messages, so the command removes the task's system message.
     */
    @Test
    void theShippedTaskRuns() throws IOException {
        Path tasks = SHIPPED.resolve("tasks");
        Path run = temp.resolve("run");
        Run distilled = Run.of("distill", "--model", SHIPPED.resolve("lab"), "--task", tasks.resolve("letters.json"),
                "--data", tasks.resolve("letters.csv"), "--limit", 12, "--test-size", 4, "--system", "", "--method",
                tasks.resolve("letters-method.json"), "--n", "2,1", "--verifier",
                "/bin/sh " + tasks.resolve("check-letters"), "--majority", "best", "--max-tokens", 96, "--epochs", 1,
                "--output", run);
        assertEquals(0, distilled.status(), distilled.err());
        JsonNode entry = Json.parse(Files.readAllLines(run.resolve("ledger.jsonl")).getFirst(), "ledger");
        assertEquals("verified", entry.get("reason").asString());
        assertEquals(16, Files.readAllLines(run.resolve("verdicts.jsonl")).size());
        assertFalse(Files.readString(run.resolve("train.jsonl")).contains("system"));
        // The flags that the run keeps name the task, the method and the verifier by absolute paths.
        assertEquals(0, Run.of("distill", "report", run).status());
    }
}
