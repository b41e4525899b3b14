package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.server.Server;
import org.ingrain.server.ServerConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Tests {@code distill} with a teacher other than the student, and with students that train all weights. */
class TeacherTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");

    @TempDir
    private Path temp;

    private Run distill(Path model, String output, Object... more) {
        List<Object> words = new ArrayList<>(List.of("distill", "--model", model, "--task", "last-letter",
                "--generate", 10, "--test-size", 4, "--method", "direct", "--n", 2, "--majority", "all", "--target",
                "response", "--max-tokens", 6, "--max-steps", 2, "--batch-size", 2, "--threads", 1, "--output",
                temp.resolve(output)));
        words.addAll(List.of(more));
        Run run = Run.of(words.toArray());
        assertEquals(0, run.status(), run.err());
        return run;
    }

    private String text(String file) throws IOException {
        return Files.readString(temp.resolve(file));
    }

    /** Returns the texts in a file of samples. */
    private List<String> texts(String file) {
        return JsonLines.read(temp.resolve(file), JsonNode.class).stream().map(line -> line.path("text").asString())
                .toList();
    }

    @Test
    void aModelFolderTeachesAsInARunOfItsOwn() throws IOException {
        Path student = TinyModelFolder.write(temp.resolve("student"));
        distill(LAB, "own", "--rank", 2);
        Run run = distill(student, "taught", "--rank", 2, "--teacher", LAB);
        assertTrue(run.out().contains("System 1 of the teacher"), run.out());
        for (String file : List.of("samples.jsonl", "train.jsonl")) {
            assertEquals(text("own/" + file), text("taught/" + file), file);
        }
        assertEquals(text("own/evaluation/system-1/samples.jsonl"),
                text("taught/evaluation/teacher-system-1/samples.jsonl"));
        assertNotEquals(text("own/evaluation/system-1/samples.jsonl"),
                text("taught/evaluation/system-1/samples.jsonl"));
        JsonNode manifest = Json.parse(text("taught/run.json"), "run.json");
        assertTrue(manifest.path("settings").path("teacher").has("teacher config.json"), manifest.toString());
        assertTrue(text("taught/training/adapter/adapter_config.json").contains("student"));
        distill(student, "adapted", "--full", "--teacher", temp.resolve("taught/training/adapter"));
        assertEquals(texts("taught/evaluation/distilled/samples.jsonl"),
                texts("adapted/evaluation/teacher-system-1/samples.jsonl"));
    }

    @Test
    void aServerTeachesAndItsKeyIsNotStored() throws IOException {
        Path key = Files.writeString(temp.resolve("key"), "key-of-this-test\n");
        ServerConfig config = ServerConfig.of(GeneratorConfig.of(256, 8, 64)).withPort(0).withModelNames(List.of("lab"))
                .withApiKey("key-of-this-test");
        try (Engine engine = Engine.open(ModelOptions.of(LAB).withThreads(1));
                Server server = new Server(engine, config)) {
            String url = "http://127.0.0.1:" + server.port();
            distill(LAB, "run", "--rank", 2, "--teacher", url, "--teacher-key-file", key, "--stages", 0);
            assertEquals(texts("run/evaluation/system-1/samples.jsonl"),
                    texts("run/evaluation/teacher-system-1/samples.jsonl"), "greedy, the same model");
            assertEquals("lab at " + url + "/v1", Json.parse(text("run/run.json"), "run").path("notes").path("teacher")
                    .asString());
            Path wrong = Files.writeString(temp.resolve("wrong"), "another-key");
            Run refused = Run.of("distill", "--model", LAB, "--task", "last-letter", "--generate", 10, "--teacher", url,
                    "--teacher-key-file", wrong, "--output", temp.resolve("refused"));
            assertEquals(2, refused.status());
            assertTrue(refused.complaint().startsWith("ingrain: --teacher: " + url + "/v1/models replied 401 ("),
                    refused.err());
        }
        try (Stream<Path> files = Files.walk(temp.resolve("run"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertFalse(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1)
                        .contains("key-of-this-test"), file.toString());
            }
        }
    }

    @Test
    void allWeightsOfTheStudentsAreTrained() throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Object[] flags = {"--full", "--rounds", 2, "--learning-rate", 1e-2, "--controls", "unfiltered"};
        distill(model, "full", flags);
        for (String folder : List.of("", "round-2/", "controls/unfiltered/")) {
            assertTrue(Files.exists(temp.resolve("full/" + folder + "training/model/model.safetensors")), folder);
        }
        assertNotEquals(texts("full/samples.jsonl"), texts("full/round-2/samples.jsonl"));
        assertNotEquals(texts("full/evaluation/system-1/samples.jsonl"),
                texts("full/evaluation/distilled/samples.jsonl"));
        Run alone = Run.of("generate", "--model", temp.resolve("full/training/model"), "--prompt",
                JsonLines.read(temp.resolve("full/data/test.jsonl"), JsonNode.class).getFirst().path("question")
                        .asString(), "--max-tokens", 6);
        assertEquals(texts("full/evaluation/distilled/samples.jsonl").getFirst().strip(), alone.out().strip());
        String report = text("full/report.json");
        distill(model, "full", flags);
        assertEquals(report, text("full/report.json"));
    }

    @Test
    void flagsOfATeacherAreChecked() throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        assertRefused(model, "--teacher: " + temp + ", expected a URL (http://host/v1), a model folder with "
                + "config.json, or a folder with adapter_config.json", "--teacher", temp);
        assertRefused(model, "--teacher-model: given without the URL of a server, expected --teacher URL",
                "--teacher-model", "x");
        assertRefused(model, "--teacher-key-env: NO_SUCH_VARIABLE, expected an environment variable",
                "--teacher", "http://127.0.0.1:1", "--teacher-key-env", "NO_SUCH_VARIABLE");
        assertRefused(model, "--teacher: http://127.0.0.1:1/v1/models refused the connection, expected a running "
                + "server with OpenAI's API", "--teacher", "http://127.0.0.1:1");
        assertRefused(model, "--teacher-requests: 0, expected 1 to 4096", "--teacher", "http://127.0.0.1:1",
                "--teacher-requests", 0);
        assertRefused(model, "--full: given with --dry-run, expected one of the two: the estimate is only for adapters",
                "--full", "--dry-run");
    }

    private void assertRefused(Path model, String complaint, Object... flags) {
        List<Object> words = new ArrayList<>(List.of("distill", "--model", model, "--task", "last-letter",
                "--generate", 10, "--output", temp.resolve("none")));
        words.addAll(List.of(flags));
        Run run = Run.of(words.toArray());
        assertEquals("ingrain: " + complaint, run.complaint());
        assertEquals(2, run.status());
        assertFalse(Files.exists(temp.resolve("none")));
    }
}
