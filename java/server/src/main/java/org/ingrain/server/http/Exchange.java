package org.ingrain.server.http;

import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.api.Fields;

/** One HTTP request and its answer. */
public final class Exchange {
    private final ServerRequest request;
    private final ServerResponse response;
    private final Bodies bodies;
    private boolean started;

    Exchange(ServerRequest request, ServerResponse response, Bodies bodies) {
        this.request = request;
        this.response = response;
        this.bodies = bodies;
    }

    /** The part of the path after the prefix of the route. */
    public String pathAfter(String prefix) {
        return request.path().path().substring(prefix.length());
    }

    /** The first value of a header, or empty if the request does not have this header. */
    public Optional<String> header(String name) {
        return request.headers().first(HeaderNames.create(name));
    }

    /** The connection on which the request arrived. */
    public Connection connection() {
        return Connection.current();
    }

    /**
     * Reads the fields of the body, which must be a JSON object. Other content types are refused: with some of them, a
     * page of another site could make a browser send a request without a CORS preflight request.
     */
    public Fields fields() {
        String type = header("Content-Type").orElse("none");
        if (!type.split(";", 2)[0].strip().equalsIgnoreCase("application/json")) {
            throw ApiException.refused(415, "Content-Type: " + type + ", expected application/json");
        }
        return bodies.read(request, Fields::parse);
    }

    /** Adds a header to the answer. */
    public void answerHeader(String name, String value) {
        response.header(HeaderNames.create(name), value);
    }

    /** Answers with JSON and status 200. */
    public void json(Object tree) {
        send(200, "application/json", tree.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** Answers with a body. */
    public void send(int status, String contentType, byte[] body) {
        connection().requestRead();
        started = true;
        response.status(Status.create(status));
        response.header(HeaderNames.CONTENT_TYPE, contentType);
        response.send(body);
    }

    /** Whether {@link #send} or {@link #events} has been called. */
    boolean started() {
        return started;
    }

    /** Answers with an error. */
    void fail(ApiException error) {
        connection().requestRead();
        response.status(Status.create(error.status()));
        response.header(HeaderNames.CONTENT_TYPE, "application/json");
        if (error.status() == 429 || error.status() == 503) {
            response.header(HeaderNames.RETRY_AFTER, "1");
        }
        if (error.status() == 401) {
            response.header(HeaderNames.WWW_AUTHENTICATE, "Bearer");
        }
        response.send(Errors.body(error).getBytes(StandardCharsets.UTF_8));
    }

    /** Starts an answer with server-sent events. The headers are sent together with the first event. */
    public EventStream events() {
        connection().requestRead();
        started = true;
        response.status(Status.OK_200);
        response.header(HeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8");
        response.header(HeaderNames.CACHE_CONTROL, "no-cache");
        response.header("X-Accel-Buffering", "no");   // otherwise nginx would buffer the events
        return new EventStream(response.outputStream());
    }
}
