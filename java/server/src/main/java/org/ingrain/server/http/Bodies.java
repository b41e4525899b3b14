package org.ingrain.server.http;

import io.helidon.common.buffers.DataReader.InsufficientDataAvailableException;
import io.helidon.webserver.http.ServerRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Locale;
import java.util.concurrent.Semaphore;
import java.util.function.Function;
import org.ingrain.server.api.ApiException;

/**
 * Reads the bodies of requests. The size of a body is limited. The total size of all large bodies in memory is also
 * limited, so that many clients together cannot exhaust the memory. A request with a large body waits until its body
 * fits into this total.
 */
final class Bodies {
    /** Maximum size of a body, in bytes. */
    static final int MAX = 16 << 20;
    /**
     * Maximum size in bytes of a refused body that is still read to its end. Such a body is read because a client reads
     * the error only after it has sent the whole body.
     */
    static final int MAX_SKIPPED = 64 << 20;
    static final String TOO_LARGE = String.format(Locale.ROOT, "request body: expected at most %d bytes", MAX);
    private static final int SMALL = 64 << 10;
    private static final int BUDGET = 2 * MAX;

    private final Semaphore budget = new Semaphore(BUDGET, true);

    /** Reads and parses the body of a request. */
    <T> T read(ServerRequest request, Function<byte[], T> parser) {
        if (!request.content().hasEntity()) {
            return parser.apply(new byte[0]);
        }
        long length = request.headers().contentLength().orElse(MAX);
        int share = length <= SMALL ? 0 : (int) Math.min(MAX, length);
        try {
            budget.acquire(share);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiException.unavailable("the server is shutting down");
        }
        try {
            return parser.apply(bytes(request));
        } finally {
            budget.release(share);
        }
    }

    private static byte[] bytes(ServerRequest request) {
        try {
            byte[] body = read(request.content().inputStream());
            Connection.current().requestRead();
            return body;
        } catch (IOException | IllegalArgumentException | InsufficientDataAvailableException e) {
            Connection.current().closeAfterRequest();
            throw ApiException.refused(400, "request body: cannot be read to its end");
        }
    }

    private static byte[] read(InputStream in) throws IOException {
        byte[] body = in.readNBytes(MAX);
        if (body.length == MAX && in.read() >= 0) {
            in.transferTo(OutputStream.nullOutputStream());   // so that the client reads the answer
            throw ApiException.refused(413, TOO_LARGE);
        }
        return body;
    }
}
