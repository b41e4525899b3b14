package org.ingrain.server;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.ingrain.checkpoint.AdapterConfig;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Projection;
import org.ingrain.sample.GeneratorConfig;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server with the lab model on a free port of this machine, and a client for it. */
final class TestServer implements AutoCloseable {
    static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    static final GeneratorConfig SIZES = GeneratorConfig.of(256, 8, 64).withBlockSize(16);

    final Engine engine;
    final Server server;
    final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    /** An answer of the server. */
    record Reply(int status, String body, HttpResponse<String> response) {
        JsonNode json() {
            return JsonMapper.shared().readTree(body);
        }

        JsonNode choice() {
            return json().get("choices").get(0);
        }

        JsonNode error() {
            return json().get("error");
        }

        /** The JSON of each event of a stream. The stream must consist of data lines and end with [DONE]. */
        List<JsonNode> events() {
            List<JsonNode> events = new ArrayList<>();
            String[] frames = body.split("\n\n");
            for (String frame : frames) {
                if (!frame.startsWith("data: ") || frame.contains("\n")) {
                    throw new AssertionError("not an event: " + frame);
                }
                if (!frame.equals("data: [DONE]")) {
                    events.add(JsonMapper.shared().readTree(frame.substring("data: ".length())));
                }
            }
            if (!body.endsWith("\n\ndata: [DONE]\n\n") || events.size() != frames.length - 1) {
                throw new AssertionError("no single [DONE] at the end: " + body);
            }
            return events;
        }
    }

    TestServer() {
        this(config -> config);
    }

    TestServer(UnaryOperator<ServerConfig> settings) {
        engine = Engine.open(ModelOptions.of(LAB).withThreads(1));
        server = new Server(engine, settings.apply(ServerConfig.of(SIZES).withPort(0).withModelNames(List.of("lab"))));
    }

    URI uri(String path) {
        return URI.create("http://127.0.0.1:" + server.port() + path);
    }

    HttpRequest.Builder request(String path, String json) {
        return HttpRequest.newBuilder(uri(path)).header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(json));
    }

    Reply send(HttpRequest.Builder request) {
        try {
            HttpResponse<String> response = client.send(request.build(), BodyHandlers.ofString());
            return new Reply(response.statusCode(), response.body(), response);
        } catch (IOException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Sends JSON that is written with single quotes, after replacing them by double quotes. */
    Reply post(String path, String json) {
        return send(request(path, json.replace('\'', '"')));
    }

    Reply completion(String json) {
        return post("/v1/completions", json);
    }

    Reply chat(String json) {
        return post("/v1/chat/completions", json);
    }

    Reply get(String path) {
        return send(HttpRequest.newBuilder(uri(path)));
    }

    /** Sends bytes on a new connection, which stays open. */
    Socket raw(String bytes) throws IOException {
        Socket socket = new Socket("127.0.0.1", server.port());
        socket.getOutputStream().write(bytes.getBytes(StandardCharsets.UTF_8));
        return socket;
    }

    /** The bytes of a request with a JSON body. */
    static String http(String path, String json) {
        return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                + json.length() + "\r\n\r\n" + json;
    }

    /** Returns the value of a metric, from the first line with this name whose last label is {@code label}. */
    double metric(String name, String label) {
        return get("/metrics").body().lines().filter(line -> line.startsWith(name + "{") && line.contains(label + "}"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ')))).findFirst()
                .orElseThrow(() -> new AssertionError("no metric " + name + " with " + label));
    }

    /** Waits until all samples are finished. */
    void awaitIdle() throws InterruptedException {
        while (server.unfinishedSamples() > 0) {
            Thread.sleep(5);
        }
    }

    /** Waits until at least one submitted sample is unfinished. */
    void awaitBusy() throws InterruptedException {
        while (server.unfinishedSamples() == 0) {
            Thread.sleep(5);
        }
    }

    /** Writes an adapter for the down_proj of every layer. All elements of A and B are {@code value}. */
    Path adapter(Path folder, float value) {
        float[] a = new float[Math.toIntExact(engine.blueprint().intermediateSize())];
        float[] b = new float[Math.toIntExact(engine.blueprint().hiddenSize())];
        Arrays.fill(a, value);
        Arrays.fill(b, value);
        new PeftAdapter(AdapterConfig.of(LAB.toString(), 1, 1, 0, List.of("down_proj")),
                IntStream.range(0, engine.blueprint().numHiddenLayers())
                        .mapToObj(layer -> new LoraModule(layer, Projection.DOWN_PROJ, 1, 1, a, b)).toList(),
                Map.of()).write(folder);
        return folder;
    }

    @Override
    public void close() {
        client.shutdownNow();
        server.close();
        engine.close();
    }
}
