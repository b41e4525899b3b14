package org.ingrain.server.http;

import io.helidon.webserver.CloseConnectionException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.ingrain.server.api.ApiException;

/**
 * An answer that consists of server-sent events. Each event is one line of JSON. All methods wait while the send buffer
 * is full, and throw a CloseConnectionException if the client has closed the connection.
 */
public final class EventStream {
    private final OutputStream out;

    EventStream(OutputStream out) {
        this.out = out;
    }

    /** Adds an event, which is sent at the next {@link #flush} at the latest. */
    public void event(Object tree) {
        write("data: " + tree + "\n\n");
    }

    /** Adds an error as the last event of the answer. */
    public void error(ApiException error) {
        write("data: " + Errors.body(error) + "\n\n");
    }

    /** Adds the line [DONE], which marks the end of the answer, and sends all events. */
    public void done() {
        write("data: [DONE]\n\n");
        flush();
    }

    /** Sends all events that have not been sent yet. */
    public void flush() {
        try {
            out.flush();
        } catch (IOException | UncheckedIOException e) {
            throw gone(e);
        }
    }

    private void write(String frame) {
        try {
            out.write(frame.getBytes(StandardCharsets.UTF_8));
        } catch (IOException | UncheckedIOException e) {
            throw gone(e);
        }
    }

    private static CloseConnectionException gone(Exception e) {
        return new CloseConnectionException("the client is gone", e);
    }
}
