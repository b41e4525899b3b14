package org.ingrain.server.http;

import io.helidon.webserver.CloseConnectionException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.ingrain.server.api.ApiException;

/**
 * An answer of server-sent events. Each event is one line of JSON. A write waits until the client has taken the data,
 * and fails with a CloseConnectionException if the client is gone.
 */
public final class EventStream {
    private final OutputStream out;

    EventStream(OutputStream out) {
        this.out = out;
    }

    /** Adds an event. It is sent by the next {@link #flush}, or earlier. */
    public void event(Object tree) {
        write("data: " + tree + "\n\n");
    }

    /** Adds the error that ends the answer. */
    public void error(ApiException error) {
        write("data: " + Errors.body(error) + "\n\n");
    }

    /** Adds and sends the mark of the end. */
    public void done() {
        write("data: [DONE]\n\n");
        flush();
    }

    /** Sends all events that were added. */
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
