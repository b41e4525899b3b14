package org.ingrain.distill.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.ingrain.distill.model.Answerer.Next;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.remote.FakeServer.Answer;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Tests the requests to a teacher with OpenAI's API, their retries and their errors. The server is in this process. */
class RemoteAnswererTest {
    private static final String KEY = "key-7";

    private FakeServer server;

    @AfterEach
    void close() {
        server.close();
    }

    private RemoteAnswerer connect(int inFlight, int attempts, BiFunction<JsonNode, Integer, Answer> chat)
            throws IOException {
        server = new FakeServer(List.of("big"), chat);
        return RemoteAnswerer.connect(config(server.url(), null, inFlight, attempts), KEY, line -> { });
    }

    private static RemoteConfig config(URI url, String model, int inFlight, int attempts) {
        return new RemoteConfig(url, model, inFlight, 0, Duration.ofSeconds(20), attempts);
    }

    private static TextRequest request(String id, int sample) {
        return new TextRequest(new SampleKey(id, String.valueOf(sample)), List.of(Message.user("Question " + id)),
                SamplingParams.sampled(0.7, 0.9, 32, 5), sample, new ModelState.Base());
    }

    private static List<TextCompletion> all(RemoteAnswerer answerer, List<TextRequest> requests) {
        List<TextCompletion> all = Collections.synchronizedList(new ArrayList<>());
        answerer.answer(requests, completion -> {
            all.add(completion);
            return Next.NOTHING;
        });
        return all;
    }

    private static String question(JsonNode body) {
        return body.path("messages").path(0).path("content").asString();
    }

    @Test
    void aRequestHasThePromptTheParametersAndASeedOfItsSample() throws IOException {
        try (RemoteAnswerer answerer = connect(4, 1, (body, n) -> Answer.text("Text of " + body.path("seed").asLong(),
                body.path("seed").asLong() % 2 == 0 ? "stop" : "length", 7))) {
            List<TextRequest> requests = IntStream.range(0, 6).mapToObj(sample -> request("a", sample)).toList();
            Map<String, TextCompletion> first = new TreeMap<>();
            all(answerer, requests).forEach(text -> first.put(text.key().path(), text));
            assertEquals(6, first.values().stream().map(TextCompletion::text).distinct().count());
            for (TextCompletion text : first.values()) {
                boolean even = Long.parseLong(text.text().substring("Text of ".length())) % 2 == 0;
                assertEquals(even ? Finish.STOP : Finish.LENGTH, text.finish());
                assertEquals(7, text.tokens());
            }
            all(answerer, requests).forEach(text -> assertEquals(first.get(text.key().path()), text));
            JsonNode body = server.bodies.getFirst();
            assertEquals("big", body.path("model").asString());
            assertEquals("Question a", question(body));
            assertEquals(32, body.path("max_tokens").asInt());
            assertEquals(0.7, body.path("temperature").asDouble());
            assertFalse(body.has("top_k"));
            assertEquals(Map.of("model", "big", "url", server.url().toString()), answerer.identity());
            assertEquals(List.of("Bearer " + KEY), server.keys.stream().distinct().toList());
            assertTrue(server.most.get() <= 4, () -> server.most + " requests at once");
        }
    }

    @Test
    void passingFailuresAreRepeatedAndTheServersWaitIsKept() throws IOException {
        List<Answer> failures = List.of(new Answer(429, "slow down", "Retry-After", "0"),
                Answer.error(503, "", "overloaded"), Answer.of(502, "<html>bad gateway</html>"));
        try (RemoteAnswerer answerer = connect(1, 4, (body, n) -> n <= failures.size() ? failures.get(n - 1)
                : Answer.text("yes", "stop", 2))) {
            assertEquals("yes", all(answerer, List.of(request("a", 0))).getFirst().text());
            assertEquals(4, server.bodies.size());
            assertEquals(1, server.bodies.stream().distinct().count());
        }
    }

    @Test
    void tooManyFailuresEndTheRunAsAFailure() throws IOException {
        try (RemoteAnswerer answerer = connect(2, 1, (body, n) -> Answer.error(500, "", "broken"))) {
            String message = assertThrows(UncheckedIOException.class,
                    () -> all(answerer, List.of(request("a", 0), request("b", 0)))).getMessage();
            assertTrue(message.contains(server.url() + "/chat/completions replied 500 (broken) at attempt 1; the same "
                    + "command resumes the run"), message);
        }
    }

    @Test
    void aUsedUpQuotaIsNotRepeated() throws IOException {
        try (RemoteAnswerer answerer = connect(1, 9, (body, n) -> Answer.error(429, "insufficient_quota", "pay"))) {
            assertTrue(assertThrows(InputException.class, () -> all(answerer, List.of(request("a", 0)))).getMessage()
                    .contains("replied 429 (pay)"));
            assertEquals(1, server.bodies.size());
        }
    }

    @Test
    void anAnswerKeepsWhatTheServerSaysAboutLongPrompts() throws IOException {
        List<Answer> refusals = List.of(Answer.error(400, "context_length_exceeded", "no"), Answer.error(400, "400",
                "This model's maximum context length is 64 tokens."), Answer.error(400, "x",
                "the request exceeds the available context size"));
        try (RemoteAnswerer answerer = connect(1, 1, (body, n) -> refusals.get(n - 1))) {
            for (TextCompletion text : all(answerer, List.of(request("a", 0), request("b", 0), request("c", 0)))) {
                assertEquals(new TextCompletion(text.key(), "", 0, Finish.PROMPT_TOO_LONG), text);
            }
        }
    }

    @Test
    void finalErrorsNameTheServerAndWhatItExpects() throws IOException {
        Map<Integer, String> expected = Map.of(401, "a valid API key", 404, "the name of one of the server's models",
                400, "a server with OpenAI's API that accepts the request", 302, "a URL that does not redirect");
        for (Map.Entry<Integer, String> each : expected.entrySet()) {
            try (RemoteAnswerer answerer = connect(1, 3, (body, n) -> Answer.error(each.getKey(), "",
                    "wrong key " + KEY))) {
                String message = assertThrows(InputException.class,
                        () -> all(answerer, List.of(request("a", 0)))).getMessage();
                assertTrue(message.contains("replied " + each.getKey() + " (wrong key [key]), expected "
                        + each.getValue()), message);
                assertEquals(1, server.bodies.size());
            }
            server.close();
        }
    }

    @Test
    void anAnswerWithoutUsageIsRefused() throws IOException {
        try (RemoteAnswerer answerer = connect(1, 1, (body, n) -> Answer.of(200,
                "{\"choices\": [{\"message\": {\"content\": \"yes\"}}]}"))) {
            assertTrue(assertThrows(InputException.class, () -> all(answerer, List.of(request("a", 0)))).getMessage()
                    .endsWith("expected choices with a message, and usage.completion_tokens"));
        }
    }

    @Test
    void followUpRequestsJoinAndCancelledOnesAreNotReported() throws IOException {
        CountDownLatch cancelled = new CountDownLatch(1);
        try (RemoteAnswerer answerer = connect(2, 1, (body, n) -> {
            if (question(body).equals("Question slow")) {
                await(cancelled);
            }
            return Answer.text(question(body), "stop", 1);
        })) {
            List<String> seen = Collections.synchronizedList(new ArrayList<>());
            answerer.answer(List.of(request("slow", 0), request("a", 0), request("unsent", 0)), completion -> {
                seen.add(completion.text());
                if (completion.text().equals("Question a")) {
                    return new Next(List.of(request("b", 0)), List.of(new SampleKey("slow", "0"),
                            new SampleKey("unsent", "0")));
                }
                return Next.NOTHING;
            });
            cancelled.countDown();
            assertEquals(List.of("Question a", "Question b"), seen);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void anExceptionOfTheCallerEndsTheCall() throws IOException {
        try (RemoteAnswerer answerer = connect(3, 1, (body, n) -> Answer.text("x", "stop", 1))) {
            IllegalStateException own = new IllegalStateException("full");
            assertEquals(own, assertThrows(IllegalStateException.class, () -> answerer.answer(
                    IntStream.range(0, 20).mapToObj(i -> request("a" + i, 0)).toList(), completion -> {
                        throw own;
                    })));
        }
    }

    @Test
    void severalModelsNeedAName() throws IOException {
        server = new FakeServer(List.of("one", "two"), (body, n) -> Answer.text("x", "stop", 1));
        assertEquals("teacherModel: none, expected one of the server's 2 models: one, two", assertThrows(
                InputException.class, () -> RemoteAnswerer.connect(config(server.url(), null, 1, 1), null,
                        line -> { })).getMessage());
        try (RemoteAnswerer named = RemoteAnswerer.connect(config(server.url(), "two", 1, 1), null, line -> { })) {
            all(named, List.of(request("a", 0)));
            assertEquals("two", server.bodies.getFirst().path("model").asString());
            assertEquals(List.of("null"), server.keys.stream().distinct().toList());
        }
    }

    @Test
    void aServerThatIsNotThereIsBadInput() throws IOException {
        server = new FakeServer(List.of("one"), (body, n) -> Answer.text("x", "stop", 1));
        URI url = server.url();
        server.close();
        assertEquals("teacher: " + url + "/models refused the connection, expected a running server with OpenAI's API",
                assertThrows(InputException.class, () -> RemoteAnswerer.connect(config(url, null, 1, 9), null,
                        line -> { })).getMessage());
    }

    /**
     * The server replies in plain HTTP to whatever it receives. It leaves the connection open, because the HTTP client
     * sometimes reports a timeout if the connection ends during the TLS handshake.
     */
    @Test
    void aServerWithoutTlsIsNamed() throws IOException {
        server = new FakeServer(List.of(), (body, n) -> Answer.text("x", "stop", 1));
        try (ServerSocket plain = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> {
                try (Socket socket = plain.accept()) {
                    socket.getInputStream().read(new byte[64]);
                    socket.getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(
                            StandardCharsets.US_ASCII));
                    socket.getInputStream().readAllBytes();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            URI url = URI.create("https://127.0.0.1:" + plain.getLocalPort() + "/v1");
            String message = assertThrows(InputException.class, () -> RemoteAnswerer.connect(config(url, null, 1, 1),
                    null, line -> { })).getMessage();
            assertTrue(message.contains(" by TLS ("), message);
        }
    }

    @Test
    void urlsAreCompletedAndChecked() throws IOException {
        server = new FakeServer(List.of(), (body, n) -> Answer.text("x", "stop", 1));
        assertEquals("http://host:8000/v1", RemoteConfig.url("http://host:8000/").toString());
        assertEquals("https://host/api/v1", RemoteConfig.url("https://host/api/v1").toString());
        for (String bad : List.of("http://me:secret@host/v1", "http://", "http://host/v1?a=b", "http://a b")) {
            String message = assertThrows(InputException.class, () -> RemoteConfig.url(bad)).getMessage();
            assertFalse(message.contains("secret"), message);
        }
        assertTrue(RemoteConfig.isUrl("https://host") && !RemoteConfig.isUrl("models/lab"));
    }
}
