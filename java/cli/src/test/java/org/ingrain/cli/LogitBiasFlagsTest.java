package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Tests {@code generate --logit-bias} and {@code --min-tokens}. */
class LogitBiasFlagsTest {
    @TempDir
    private Path temp;

    private JsonNode generate(Object... flags) throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Run run = Run.of(Stream.concat(Stream.of("generate", "--model", folder, "--prompt", "ab", "--json",
                "--max-tokens", 5), Stream.of(flags)).toArray());
        assertEquals(0, run.status(), run.err());
        return Json.parse(run.out().strip(), "output");
    }

    private static int[] ids(JsonNode line) {
        return IntStream.range(0, line.get("ids").size()).map(i -> line.get("ids").get(i).asInt()).toArray();
    }

    /** If a token has several biases, the last one applies. */
    @Test
    void aBiasForcesOrBansATokenUntilMinTokens() throws IOException {
        int first = ids(generate())[0];
        int other = first == 4 ? 5 : 4;
        assertEquals(5, IntStream.of(ids(generate("--logit-bias", other + "=100", "--ignore-eos")))
                .filter(id -> id == other).count());
        assertEquals(0, IntStream.of(ids(generate("--logit-bias", first + "=100", "--logit-bias", first + "=-100")))
                .filter(id -> id == first).count());
    }
}
