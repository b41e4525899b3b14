package org.ingrain.server.http;

import io.helidon.common.socket.SocketOptions;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.ingrain.server.api.ApiException;
import org.ingrain.tensor.InputException;

/** Accepts connections and passes their requests to a handler. Each connection has its own virtual thread. */
public final class HttpListener implements AutoCloseable {
    private static final Duration GRACE = Duration.ofMillis(500);
    /**
     * Size of a socket's send buffer in bytes. This buffer contains the part of an answer that the client has not read
     * yet.
     */
    private static final int SEND_BUFFER = 128 << 10;
    private static final int MAX_CONNECTIONS = 16384;
    private static final Path LIMITS = Path.of("/proc/self/limits");

    private final WebServer server;
    private final Bodies bodies = new Bodies();
    private final Handler handler;

    /** Answers a request. The server answers with an error if the handler throws an ApiException or InputException. */
    @FunctionalInterface
    public interface Handler {
        void handle(String method, String path, Exchange exchange);
    }

    /**
     * Starts listening.
     *
     * @param port port, 0 for any free port
     * @throws InputException if the address is unknown or in use
     */
    public HttpListener(String host, int port, Handler handler) {
        this.handler = handler;
        InetSocketAddress address = requireFree(host, port);
        server = WebServer.builder().bindAddress(address).shutdownHook(false).featuresDiscoverServices(false)
                .protocolsDiscoverServices(false).addConnectionSelector(new ConnectionSelector())
                .connectionOptions(SocketOptions.builder().tcpNoDelay(true)
                        .socketSendBufferSize(SEND_BUFFER).build())
                .maxTcpConnections(connections()).maxPayloadSize(Bodies.MAX_SKIPPED).shutdownGracePeriod(GRACE)
                .directHandlers(Errors.direct()).routing(HttpRouting.builder().any(this::route)).build();
        try {
            server.start();
        } catch (RuntimeException e) {
            throw InputException.field("port", port + ": cannot listen on " + host + ": " + e.getMessage());
        }
    }

    /**
     * Checks that a server could listen on this address.
     *
     * @throws InputException if the address is unknown or in use
     */
    public static InetSocketAddress requireFree(String host, int port) {
        InetSocketAddress address = new InetSocketAddress(host, port);
        if (address.isUnresolved()) {
            throw InputException.field("host", host + ", expected a name or an address of this machine");
        }
        try (ServerSocketChannel probe = ServerSocketChannel.open()) {
            probe.setOption(StandardSocketOptions.SO_REUSEADDR, true).bind(address);
            return address;
        } catch (IOException e) {
            throw InputException.field("port", port + ": cannot listen on " + host + ": " + e.getMessage());
        }
    }

    /**
     * Maximum number of open connections: three quarters of the number of files that this process may open, at most
     * {@link #MAX_CONNECTIONS}. Without this limit, the process could run out of file descriptors. Then the system call
     * {@code accept} would fail, after which Helidon's listener stops permanently.
     */
    private static int connections() {
        try {
            for (String line : Files.readAllLines(LIMITS)) {
                if (line.startsWith("Max open files")) {
                    String soft = line.split(" {2,}")[1];
                    return soft.equals("unlimited") ? MAX_CONNECTIONS
                            : (int) Math.min(MAX_CONNECTIONS, Long.parseLong(soft) * 3 / 4);
                }
            }
            throw new IOException("no line about open files");
        } catch (IOException e) {
            throw new InputException(LIMITS + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private void route(ServerRequest request, ServerResponse response) {
        Exchange exchange = new Exchange(request, response, bodies);
        exchange.connection().headRead();
        if (request.headers().containsToken(HeaderValues.CONNECTION_CLOSE)) {
            exchange.connection().closeAfterRequest();
        }
        ApiException error;
        try {
            handler.handle(request.prologue().method().text(), request.path().path(), exchange);
            return;
        } catch (ApiException e) {
            error = e;
        } catch (InputException e) {
            error = ApiException.of(e, Map.of());
        } catch (OutOfMemoryError | StackOverflowError e) {
            error = ApiException.failed("too little memory for this request");
        }
        if (exchange.started()) {
            throw new CloseConnectionException("the answer was begun", error);
        }
        exchange.fail(error);
    }

    /** The port on which the server listens. */
    public int port() {
        return server.port();
    }

    /** Stops listening and closes all connections. */
    @Override
    public void close() {
        boolean interrupted = Thread.interrupted();   // server.stop() fails if its thread is interrupted
        try {
            server.stop();
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
