package org.ingrain.server.http;

import io.helidon.common.buffers.BufferData;
import io.helidon.common.concurrency.limits.Limit;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.http1.Http1Config;
import io.helidon.webserver.http1.Http1ConnectionSelector;
import io.helidon.webserver.spi.ServerConnection;
import io.helidon.webserver.spi.ServerConnectionSelector;
import java.time.Duration;
import java.util.Set;

/** Creates Helidon's HTTP/1.1 connections, with a {@link Connection} between the socket and the request handler. */
final class ConnectionSelector implements ServerConnectionSelector {
    private static final int MAX_PROLOGUE = 8192;
    private static final int MAX_HEADERS = 32768;

    private final Http1ConnectionSelector http = Http1ConnectionSelector.builder()
            .config(Http1Config.builder().maxPrologueLength(MAX_PROLOGUE).maxHeadersSize(MAX_HEADERS).build()).build();

    @Override
    public int bytesToIdentifyConnection() {
        return http.bytesToIdentifyConnection();
    }

    @Override
    public Support supports(BufferData request) {
        return http.supports(request);
    }

    @Override
    public Set<String> supportedApplicationProtocols() {
        return http.supportedApplicationProtocols();
    }

    @Override
    public ServerConnection connection(ConnectionContext context) {
        Connection connection = new Connection(context);
        return new Bound(connection, http.connection(connection));
    }

    /** Handles the requests of a connection with {@link Connection#CURRENT} bound to this connection. */
    private record Bound(Connection connection, ServerConnection delegate) implements ServerConnection {
        @Override
        public void handle(Limit limit) throws InterruptedException {
            try {
                ScopedValue.where(Connection.CURRENT, connection).call(() -> {
                    delegate.handle(limit);
                    return null;
                });
            } finally {
                connection.finish();
            }
        }

        @Override
        public Duration idleTime() {
            return delegate.idleTime();
        }

        @Override
        public void close(boolean interrupt) {
            delegate.close(interrupt);
        }
    }
}
