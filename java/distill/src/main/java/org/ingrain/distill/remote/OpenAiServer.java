package org.ingrain.distill.remote;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import javax.net.ssl.SSLException;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A client of a server with OpenAI's API. The client repeats a request that failed for a temporary reason. It waits
 * half a second before the first repetition. Before each further repetition it doubles the wait, up to a minute. If the
 * server asks for a longer wait in the header Retry-After, the client waits that long. This class is thread-safe.
 */
final class OpenAiServer implements AutoCloseable {
    private static final int MOST_BYTES = 64 << 20;
    private static final Duration FIRST_WAIT = Duration.ofMillis(500);
    private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);
    /** The longest wait that a server may ask for. If it asks for a longer wait, the run ends. */
    private static final Duration LONGEST_ASKED_WAIT = Duration.ofMinutes(15);
    /** A wait that is at least this long is reported. */
    private static final Duration REPORTED_WAIT = Duration.ofSeconds(10);
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(20);
    private static final int MOST_NAMES = 8;

    private final RemoteConfig config;
    private final String key;
    private final Pace pace;
    private final Consumer<String> notice;
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT_TIMEOUT).build();

    /**
     * @param key    API key, or null; it is sent to the server and nowhere else
     * @param notice receives a line when requests wait for a long time
     */
    OpenAiServer(RemoteConfig config, String key, Pace pace, Consumer<String> notice) {
        this.config = config;
        this.key = key;
        this.pace = pace;
        this.notice = notice;
    }

    /**
     * Connects to the server and returns the name of its only model.
     *
     * @throws InputException if the server cannot be reached, refuses the key, or does not have exactly one model
     */
    String onlyModel() {
        List<String> names = models();
        if (names.size() != 1) {
            throw InputException.field("teacherModel", "none, expected one of the server's " + names.size()
                    + " models: " + String.join(", ", names.subList(0, Math.min(names.size(), MOST_NAMES)))
                    + (names.size() > MOST_NAMES ? ", ..." : ""));
        }
        return names.getFirst();
    }

    /** Checks that the server replies and accepts the key. The server need not be able to list its models. */
    void check() {
        Reply reply = once(request("/models").GET().build());
        if (reply.status() == 401 || reply.status() == 403) {
            throw refusal(reply);
        }
    }

    private List<String> models() {
        Reply reply = once(request("/models").GET().build());
        if (reply.status() != 200) {
            throw refusal(reply);
        }
        return reply.json().path("data").valueStream().map(model -> model.path("id").asString("")).toList();
    }

    /** Generates the text of one request. */
    TextCompletion complete(TextRequest asked) throws InterruptedException {
        HttpRequest request = request("/chat/completions").header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(Json.line(body(asked)))).build();
        Reply reply = send(request);
        if (reply.promptTooLong()) {
            return new TextCompletion(asked.key(), "", 0, Finish.PROMPT_TOO_LONG);
        }
        if (reply.status() != 200) {
            throw refusal(reply);
        }
        return reply.completion(asked.key());
    }

    /**
     * The fields of a request. Each sample is a separate request, so the seed must depend on the sample number;
     * otherwise all samples of a prompt would be equal.
     */
    private Map<String, Object> body(TextRequest asked) {
        SamplingParams params = asked.params();
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("model", config.model());
        body.put("messages", asked.messages());
        body.put("temperature", params.temperature());
        body.put("top_p", params.topP());
        if (params.topK() > 0) {
            body.put("top_k", params.topK());
        }
        if (!params.stop().isEmpty()) {
            body.put("stop", params.stop());
        }
        body.put("max_tokens", params.maxTokens());
        body.put("seed", Digest.seed(params.seed(), "sample", String.valueOf(asked.sample())) & Integer.MAX_VALUE);
        return body;
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(config.url() + path))
                .timeout(config.timeout());
        return key == null ? request : request.header("Authorization", "Bearer " + key);
    }

    /** Sends a request. Repeats it after each temporary failure, until the maximum number of attempts is reached. */
    private Reply send(HttpRequest request) throws InterruptedException {
        Duration wait = FIRST_WAIT;
        for (int attempt = 1; ; attempt++) {
            pace.take();
            String failure;
            Optional<Reply> reply = Optional.empty();
            try {
                reply = Optional.of(exchange(request));
                if (!reply.get().passes()) {
                    return reply.get();
                }
                failure = "replied " + reply.get().status() + " (" + secret(reply.get().message()) + ")";
            } catch (IOException e) {
                failure = reason(e);
            }
            Duration asked = reply.flatMap(own -> own.wait(ZonedDateTime.now(ZoneOffset.UTC))).orElse(Duration.ZERO);
            if (attempt == config.attempts() || asked.compareTo(LONGEST_ASKED_WAIT) > 0) {
                throw new UncheckedIOException(new IOException(request.uri() + " " + failure + " at attempt " + attempt
                        + (asked.isZero() ? "" : " and asks to wait for " + asked.toSeconds() + " s")
                        + "; the same command resumes the run"));
            }
            pause(request.uri(), failure, asked.compareTo(wait) > 0 ? asked : wait,
                    reply.map(Reply::asksToWait).orElse(false));
            wait = wait.multipliedBy(2).compareTo(LONGEST_WAIT) > 0 ? LONGEST_WAIT : wait.multipliedBy(2);
        }
    }

    private void pause(URI uri, String failure, Duration time, boolean all) throws InterruptedException {
        if (time.compareTo(REPORTED_WAIT) >= 0) {
            notice.accept(uri + " " + failure + ", waiting for " + time.toSeconds() + " s");
        }
        if (all) {
            pace.hold(time);
        } else {
            pace.pause(time);
        }
    }

    /** Sends a request without repetitions. */
    private Reply once(HttpRequest request) {
        try {
            return exchange(request);
        } catch (IOException e) {
            throw InputException.field("teacher", request.uri() + " " + reason(e)
                    + ", expected a running server with OpenAI's API");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private Reply exchange(HttpRequest request) throws IOException, InterruptedException {
        try {
            return Reply.of(client.send(request, BodyHandlers.limiting(BodyHandlers.ofByteArray(), MOST_BYTES)));
        } catch (SSLException e) {
            throw InputException.field("teacher", request.uri() + " failed to connect by TLS (" + e.getMessage()
                    + "), expected a server whose certificate Java trusts, or a URL with http");
        }
    }

    private InputException refusal(Reply reply) {
        InputException refused = reply.refusal();
        return key == null || !refused.getMessage().contains(key) ? refused
                : new InputException(secret(refused.getMessage()));
    }

    /** Removes the key from a text, because some servers quote the key in their messages. */
    private String secret(String text) {
        return key == null ? text : text.replace(key, "[key]");
    }

    private static String reason(IOException e) {
        return switch (e) {
            case HttpConnectTimeoutException connecting -> "did not complete the connection in time";
            case HttpTimeoutException timeout -> "did not reply in time";
            case ConnectException refused when refused.getCause() instanceof UnresolvedAddressException ->
                    "has an unknown host";
            case ConnectException refused -> "refused the connection";
            default -> "broke the connection (" + e.getMessage() + ")";
        };
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
