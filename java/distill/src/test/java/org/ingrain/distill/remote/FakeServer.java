package org.ingrain.distill.remote;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import org.ingrain.files.Json;
import tools.jackson.databind.JsonNode;

/** A server of chat completions on a free port of this machine. A test determines its replies. */
public final class FakeServer implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final BiFunction<JsonNode, Integer, Answer> chat;
    private final List<String> models;
    /** The bodies of all chat requests, and the header Authorization of all requests. */
    public final List<JsonNode> bodies = Collections.synchronizedList(new ArrayList<>());
    public final List<String> keys = Collections.synchronizedList(new ArrayList<>());
    private final AtomicInteger running = new AtomicInteger();
    public final AtomicInteger most = new AtomicInteger();

    /** A reply. It has the header {@code header: value}, or no header if {@code header} is null. */
    public record Answer(int status, String body, String header, String value) {
        public static Answer of(int status, String body) {
            return new Answer(status, body, null, null);
        }

        /** A completion. */
        public static Answer text(String text, String finish, int tokens) {
            return of(200, Json.line(Map.of("choices", List.of(Map.of("index", 0, "finish_reason", finish, "message",
                    Map.of("role", "assistant", "content", text))), "usage", Map.of("completion_tokens", tokens))));
        }

        public static Answer error(int status, String code, String message) {
            return of(status, Json.line(Map.of("error", Map.of("code", code, "message", message))));
        }
    }

    /**
     * @param chat returns the reply to a chat request; its arguments are the body and the number of the request, from 1
     */
    public FakeServer(List<String> models, BiFunction<JsonNode, Integer, Answer> chat) throws IOException {
        this.models = models;
        this.chat = chat;
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/v1/models", this::models);
        server.createContext("/v1/chat/completions", this::chat);
        server.start();
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/v1");
    }

    private void models(HttpExchange exchange) throws IOException {
        keys.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
        reply(exchange, Answer.of(200, Json.line(Map.of("data", models.stream().map(name -> Map.of("id", name))
                .toList()))));
    }

    private void chat(HttpExchange exchange) throws IOException {
        most.accumulateAndGet(running.incrementAndGet(), Math::max);
        try {
            String text = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            keys.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
            JsonNode body = Json.parse(text, "request");
            int number;
            synchronized (bodies) {
                bodies.add(body);
                number = bodies.size();
            }
            reply(exchange, chat.apply(body, number));
        } finally {
            running.decrementAndGet();
        }
    }

    private static void reply(HttpExchange exchange, Answer answer) throws IOException {
        try (exchange) {
            byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
            if (answer.header() != null) {
                exchange.getResponseHeaders().add(answer.header(), answer.value());
            }
            exchange.sendResponseHeaders(answer.status(), bytes.length == 0 ? -1 : bytes.length);
            try (OutputStream out = exchange.getResponseBody()) {
                out.write(bytes);
            }
        }
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
