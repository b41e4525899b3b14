package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Tests {@code generate --top-tokens}. */
class TopTokensTest {
    @TempDir
    private Path temp;

    @Test
    void positionsHaveTheirMostProbableTokens() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Run run = Run.of("generate", "--model", folder, "--prompt", "ab", "--json", "--prompt-log-probabilities",
                "--top-tokens", 3, "--max-tokens", 4, "--temperature", 0);
        assertEquals(0, run.status(), run.err());
        JsonNode line = Json.parse(run.out().strip(), "output");
        JsonNode top = line.get("top_tokens");
        assertEquals(line.get("ids").size(), top.size());
        for (int i = 0; i < top.size(); i++) {
            assertEquals(3, top.get(i).size());
            assertEquals(line.get("ids").get(i).asInt(), top.get(i).get(0).get("id").asInt(), "greedy");
            assertEquals(line.get("log_probabilities").get(i).asDouble(),
                    top.get(i).get(0).get("log_probability").asDouble(), 1e-5);
        }
        JsonNode prompt = line.get("prompt_top_tokens");
        assertEquals(line.get("prompt_log_probabilities").size(), prompt.size());
        assertTrue(prompt.get(0).isNull(), "the first token has no log-probability");
        assertEquals(3, prompt.get(1).size());
    }

    @Test
    void aNumberThatIsTooLargeIsRefused() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Run run = Run.of("generate", "--model", folder, "--prompt", "ab", "--json", "--top-tokens", 21);
        assertEquals(2, run.status());
        assertEquals("ingrain: --top-tokens: 21, expected 0 to 20", run.complaint());
    }
}
