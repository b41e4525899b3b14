package org.ingrain.server.http;

import io.helidon.http.DirectHandler.EventType;
import io.helidon.http.DirectHandler.TransportResponse;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Status;
import io.helidon.webserver.http.DirectHandlers;
import java.nio.charset.StandardCharsets;
import org.ingrain.server.api.ApiException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** The bodies of error answers, in OpenAI's format. */
final class Errors {
    private Errors() {
    }

    /** The JSON object of an error. */
    static String body(ApiException error) {
        ObjectNode body = JsonMapper.shared().createObjectNode();
        body.putObject("error").put("message", error.getMessage()).put("type", error.type())
                .put("param", error.param()).put("code", error.code());
        return body.toString();
    }

    /** Writes the answers to requests that Helidon refuses before routing, for example because they are not HTTP. */
    static DirectHandlers direct() {
        DirectHandlers.Builder handlers = DirectHandlers.builder();
        for (EventType type : EventType.values()) {
            handlers.addHandler(type, (request, event, status, headers, message) -> {
                ApiException error = status.code() >= 500 && event != EventType.BAD_REQUEST
                        ? ApiException.failed("internal error")
                        : ApiException.refused(status.code(), message(status));
                headers.set(HeaderNames.CONTENT_TYPE, "application/json");
                return TransportResponse.builder().status(status).headers(headers).header(HeaderValues.CONNECTION_CLOSE)
                        .keepAlive(false).entity(body(error).getBytes(StandardCharsets.UTF_8)).build();
            });
        }
        return handlers.build();
    }

    private static String message(Status status) {
        return status.code() == Status.REQUEST_ENTITY_TOO_LARGE_413.code() ? Bodies.TOO_LARGE
                : "malformed HTTP request: " + status.reasonPhrase();
    }
}
