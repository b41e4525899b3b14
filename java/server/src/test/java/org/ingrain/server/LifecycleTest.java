package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests clients that close the connection, the time limit, the queue limit, and the shutdown of a server. */
@Timeout(60)
class LifecycleTest {
    /**
     * Requests 64 samples of 200 tokens, of which eight run at a time. No test waits until all 64 are finished.
     */
    private static final String LONG = "{\"prompt\": \"The\", \"max_tokens\": 200, \"ignore_eos\": true, \"n\": 64, "
            + "\"stream\": ";

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aClientThatGoesAwayCancelsItsSamples(boolean stream) throws Exception {
        try (TestServer server = new TestServer()) {
            Socket socket = server.raw(TestServer.http("/v1/completions", LONG + stream + "}"));
            if (stream) {
                socket.getInputStream().read();
            }
            server.awaitBusy();
            socket.close();
            server.awaitIdle();
            assertTrue(server.metric("vllm:request_success_total", "finished_reason=\"abort\"") > 0);
            assertEquals(200, server.completion("{'prompt': 'The', 'max_tokens': 1}").status());
        }
    }

    /** A connection can also end with a TCP reset. */
    @Test
    void aResetCancelsToo() throws Exception {
        try (TestServer server = new TestServer()) {
            Socket socket = server.raw(TestServer.http("/v1/completions", LONG + "false}"));
            server.awaitBusy();
            socket.setSoLinger(true, 0);
            socket.close();
            server.awaitIdle();
            assertTrue(server.metric("vllm:request_success_total", "finished_reason=\"abort\"") > 0);
        }
    }

    @Test
    void theNextRequestOfAConnectionMayComeEarly() throws Exception {
        try (TestServer server = new TestServer()) {
            String request = TestServer.http("/v1/completions", "{\"prompt\": \"The\", \"max_tokens\": 3}");
            try (Socket socket = server.raw(request + request + request.replace("Host", "Connection: close\r\nHost"))) {
                String answers = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                assertEquals(3, answers.split("HTTP/1.1 200 OK", -1).length - 1, answers);
            }
        }
    }

    @Test
    void aFullQueueRefusesWork() throws Exception {
        try (TestServer server = new TestServer(config -> config.withMaxQueue(64))) {
            Socket socket = server.raw(TestServer.http("/v1/completions", LONG + "true}"));
            server.awaitBusy();
            TestServer.Reply reply = server.completion("{'prompt': 'The', 'max_tokens': 1}");
            assertEquals(429, reply.status());
            assertEquals("1", reply.response().headers().firstValue("retry-after").orElseThrow());
            assertEquals("rate_limit_exceeded", reply.error().get("code").stringValue());
            socket.close();
            server.awaitIdle();
            awaitStatus(server, "{'prompt': 'The', 'max_tokens': 1}", 200);
            reply = server.completion("{'prompt': 'The', 'n': 65}");
            assertEquals(400, reply.status());
            assertEquals("n", reply.error().get("param").stringValue());
        }
    }

    /**
     * Repeats a request until the answer has this status. This is needed because cancelled samples count as unfinished
     * for a moment.
     */
    private static void awaitStatus(TestServer server, String request, int status) throws InterruptedException {
        while (server.completion(request).status() != status) {
            Thread.sleep(5);
        }
    }

    @Test
    void drainingFinishesWhatRuns() throws Exception {
        try (TestServer server = new TestServer()) {
            HttpResponse<InputStream> running = server.client.send(server.request("/v1/completions",
                    "{\"prompt\": \"The\", \"max_tokens\": 150, \"ignore_eos\": true, \"n\": 8, \"stream\": true, "
                    + "\"stream_options\": {\"include_usage\": true}}").build(), BodyHandlers.ofInputStream());
            running.body().read();
            CompletableFuture<Boolean> drained = CompletableFuture.supplyAsync(() -> drain(server, 60));
            awaitStatus(server, "{'prompt': 'The', 'max_tokens': 1}", 503);
            assertEquals(503, server.get("/health").status());
            assertEquals(200, server.get("/metrics").status());
            String rest = new String(running.body().readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(rest.contains("\"completion_tokens\":1200") && rest.endsWith("data: [DONE]\n\n"), rest);
            assertTrue(drained.get());
        }
    }

    private static boolean drain(TestServer server, int seconds) {
        try {
            return server.server.drain(Duration.ofSeconds(seconds));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void closingEndsWhatRunsWithAnError() throws Exception {
        TestServer server = new TestServer();
        HttpResponse<InputStream> running = server.client.send(server.request("/v1/completions", LONG + "true}")
                .build(), BodyHandlers.ofInputStream());
        running.body().read();
        assertFalse(drain(server, 0));
        CompletableFuture<String> rest = CompletableFuture.supplyAsync(() -> read(running.body()));
        server.server.close();
        assertTrue(rest.get().contains("\"error\":{\"message\":\"the server is shutting down\""), rest.get());
        server.close();
    }

    private static String read(InputStream in) {
        try (in) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "not read to the end: " + e;
        }
    }

    @Test
    void aRequestHasALimitOfTime() {
        try (TestServer server = new TestServer(config -> config.withRequestTimeout(Duration.ofMillis(200)))) {
            TestServer.Reply reply = server.post("/v1/completions", LONG + "false}");
            assertEquals(504, reply.status());
            assertEquals("timeout", reply.error().get("code").stringValue());
            reply = server.post("/v1/completions", LONG + "true}");
            assertEquals(200, reply.status());
            assertEquals("timeout", reply.events().getLast().get("error").get("code").stringValue());
        }
    }

    /** Opens a connection with a small buffer and requests a stream of several megabytes, which nobody reads. */
    private static Socket unread(TestServer server) throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(1024);
        socket.connect(new InetSocketAddress("127.0.0.1", server.server.port()));
        String request = LONG.replace("\"n\": 64", "\"n\": 8, \"logprobs\": 20") + "true}";
        socket.getOutputStream().write(TestServer.http("/v1/completions", request).getBytes(StandardCharsets.UTF_8));
        return socket;
    }

    /** If a client does not read, its samples are still computed. Only the thread that writes to the client waits. */
    @Test
    void aClientThatDoesNotReadStopsNobodyElse() throws Exception {
        TestServer server = new TestServer();
        try (Socket socket = unread(server)) {
            server.awaitBusy();
            server.awaitIdle();
            assertEquals(200, server.completion("{'prompt': 'The', 'max_tokens': 1}").status());
            while (server.server.activeRequests() > 1) {   // a request is counted until its answer has been sent
                Thread.sleep(5);
            }
            assertEquals(1, server.server.activeRequests());
            server.close();   // makes the blocked write fail
            assertTrue(socket.isConnected());
        }
    }

    @Test
    void aClientThatDoesNotReadIsCutOff() throws Exception {
        try (TestServer server = new TestServer(config -> config.withRequestTimeout(Duration.ofSeconds(2)));
             Socket socket = unread(server)) {
            server.awaitBusy();
            server.awaitIdle();
            awaitClosed(server);
            assertEquals("HTTP/1.1 ", new String(socket.getInputStream().readNBytes(9), StandardCharsets.UTF_8));
        }
    }

    private static void awaitClosed(TestServer server) throws InterruptedException {
        while (server.server.activeRequests() > 0) {
            Thread.sleep(5);
        }
    }

    @Test
    void theKeyProtectsWhatIsBelowV1() {
        try (TestServer server = new TestServer(config -> config.withApiKey("secret"))) {
            String body = "{\"prompt\": \"The\", \"max_tokens\": 1}";
            assertEquals(401, server.completion(body).status());
            assertEquals("invalid_api_key", server.completion(body).error().get("code").stringValue());
            assertEquals(401, server.get("/v1/models").status());
            assertEquals(401, server.send(server.request("/v1/completions", body)
                    .header("Authorization", "Bearer secrets")).status());
            assertEquals(401, server.get("/v1/other").status());
            assertEquals(200, server.send(server.request("/v1/completions", body)
                    .header("Authorization", "Bearer secret")).status());
            assertEquals(200, server.get("/health").status());
            assertEquals(200, server.get("/metrics").status());
        }
    }
}
