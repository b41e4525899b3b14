package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import sun.misc.Signal;

/** Runs the command {@code serve} in this JVM and ends it with signals. */
@Timeout(60)
class ServeTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final String LONG = "{\"prompt\": \"The\", \"max_tokens\": 200, \"ignore_eos\": true, \"n\": 64, "
            + "\"stream\": true}";

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();

    private String said() {
        return said.toString(StandardCharsets.UTF_8);
    }

    /** Waits until the command has printed a text, and returns the match. */
    private Matcher await(String pattern, CompletableFuture<Integer> status) throws InterruptedException {
        Matcher matcher = Pattern.compile(pattern).matcher(said());
        while (!matcher.find()) {
            assertFalse(status.isDone(), this::said);
            Thread.sleep(5);
            matcher = Pattern.compile(pattern).matcher(said());
        }
        return matcher;
    }

    private static HttpRequest request(URI uri, String json) {
        return HttpRequest.newBuilder(uri).header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(json)).build();
    }

    @Test
    void signalsEndTheServer() throws Exception {
        PrintStream standard = System.err;
        System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
        try (HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            CompletableFuture<Integer> status = CompletableFuture.supplyAsync(() -> Main.execute(Main.commandLine(),
                    "serve", "--model", LAB.toString(), "--served-model-name", "lab", "--port", "0", "--threads", "1",
                    "--max-sequences", "4", "--context", "256"), task -> Thread.ofPlatform().start(task));
            Matcher serving = await("serving lab on (http://127.0.0.1:\\d+): context 256, at most 4 sequences at once",
                    status);
            URI completions = URI.create(serving.group(1) + "/v1/completions");
            InputStream stream = client.send(request(completions, LONG), BodyHandlers.ofInputStream()).body();
            stream.read();
            Signal.raise(new Signal("TERM"));
            await("waiting at most 30 s", status);
            while (client.send(request(completions, "{}"), BodyHandlers.ofString()).statusCode() != 503) {
                Thread.sleep(5);
            }
            Signal.raise(new Signal("INT"));
            String rest = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(rest.contains("the server is shutting down") && rest.endsWith("data: [DONE]\n\n"), rest);
            assertEquals(0, status.get());
        } finally {
            System.setErr(standard);
        }
    }

    @Test
    void settingsAreNamedByTheirFlags() {
        Run run = Run.of("serve", "--model", LAB, "--max-queue", "0");
        assertEquals(2, run.status());
        assertEquals("ingrain: --max-queue: 0, expected 1 or more", run.complaint());
        run = Run.of("serve", "--model", LAB, "--host", "no.such.host.invalid");
        assertEquals("ingrain: --host: no.such.host.invalid, expected a name or an address of this machine",
                run.complaint());
        run = Run.of("serve", "--model", LAB, "--served-model-name", "a", "--lora-modules", "a=" + LAB);
        assertEquals("ingrain: --lora-modules: a is also a name of the base model, expected another", run.complaint());
    }
}
