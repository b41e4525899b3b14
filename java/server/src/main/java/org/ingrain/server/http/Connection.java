package org.ingrain.server.http;

import io.helidon.common.buffers.DataReader;
import io.helidon.common.buffers.DataWriter;
import io.helidon.common.socket.HelidonSocket;
import io.helidon.common.socket.PeerInfo;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.ListenerContext;
import io.helidon.webserver.Router;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * One connection of a client. A separate thread reads the socket, even while the server computes the answer to a
 * request. So the server notices at once if the client closes the connection.
 *
 * <p>The thread reads at most {@value #BUFFERS} buffers ahead. If a client sends more data than this after its request,
 * the server notices the end of the connection only when it writes the answer.
 */
public final class Connection implements ConnectionContext {
    /** The connection whose request the current thread handles. */
    static final ScopedValue<Connection> CURRENT = ScopedValue.newInstance();
    private static final int BUFFERS = 2;
    /** Maximum time between two requests. */
    private static final Duration IDLE_LIMIT = Duration.ofMinutes(5);
    /** Maximum time for reading a request, from its first to its last byte. */
    private static final Duration READ_LIMIT = Duration.ofMinutes(1);
    private static final byte[] END = {};

    private final ConnectionContext delegate;
    private final ArrayBlockingQueue<byte[]> read = new ArrayBlockingQueue<>(BUFFERS);
    private final DataReader reader = DataReader.create(this::take);
    /**
     * The value of {@code System.nanoTime()} until which the request must be read. It has no meaning between requests.
     */
    private long deadline;
    private boolean reading;
    private boolean headRead;
    private boolean last;
    private boolean closed;
    private volatile boolean ended;
    private volatile boolean finished;
    /** The action to run when the client closes the connection, or null. */
    private volatile Runnable onEnd;

    Connection(ConnectionContext delegate) {
        this.delegate = delegate;
        Thread.ofVirtual().name("connection reader").start(this::readAhead);
    }

    /** The connection whose request the current thread handles. */
    public static Connection current() {
        return CURRENT.get();
    }

    /**
     * Sets the action that another thread runs when the client closes the connection. If the client has already closed
     * it, this method runs the action. Null means no action.
     */
    public void onEnd(Runnable action) {
        onEnd = action;
        if (ended && action != null) {
            action.run();
        }
    }

    /** Records that the head of a request has been read. */
    void headRead() {
        headRead = true;
    }

    /** Records that the whole request has been read. */
    public void requestRead() {
        reading = false;
        headRead = false;
    }

    /** Makes the server close the connection after it has answered the current request. */
    void closeAfterRequest() {
        last = true;
    }

    /** Ends the use of this object. After that, the owner of the socket closes the socket. */
    void finish() {
        finished = true;
        onEnd = null;
        read.clear();   // the reading thread may wait until the queue has space
    }

    /** Closes the socket. A write that is waiting for the client then fails. */
    public void close() {
        try {
            delegate.serverSocket().close();
        } catch (UncheckedIOException alreadyClosed) {
            ended = true;
        }
    }

    private void readAhead() {
        try {
            for (byte[] bytes = next(); bytes != null && !finished; bytes = next()) {
                read.put(bytes);
            }
            ended = true;
            Runnable action = onEnd;
            if (action != null) {
                action.run();
            }
            if (!finished) {
                read.put(END);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Reads from the socket. Returns null at the end of the stream or if the connection is broken. */
    private byte[] next() {
        try {
            return delegate.serverSocket().get();
        } catch (UncheckedIOException broken) {
            return null;
        }
    }

    /**
     * Returns the next bytes from the client, or null if the connection has ended or a time limit has passed. If this
     * happens within the head of a request, the method throws a CloseConnectionException instead, which closes the
     * connection without an answer.
     */
    private byte[] take() {
        if (closed || last && !reading) {
            return null;
        }
        boolean within = reading;
        try {
            byte[] bytes = reading ? read.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)
                    : read.poll(IDLE_LIMIT.toNanos(), TimeUnit.NANOSECONDS);
            if (!reading) {
                reading = true;
                deadline = System.nanoTime() + READ_LIMIT.toNanos();
            }
            closed = bytes == null || bytes == END;
            if (closed && within && !headRead) {
                throw new CloseConnectionException("the head of the request ends early");
            }
            return closed ? null : bytes;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    @Override
    public DataReader dataReader() {
        return reader;
    }

    @Override
    public DataWriter dataWriter() {
        return delegate.dataWriter();
    }

    @Override
    public HelidonSocket serverSocket() {
        return delegate.serverSocket();
    }

    @Override
    public ListenerContext listenerContext() {
        return delegate.listenerContext();
    }

    @Override
    public ExecutorService executor() {
        return delegate.executor();
    }

    @Override
    public Router router() {
        return delegate.router();
    }

    @Override
    public PeerInfo remotePeer() {
        return delegate.remotePeer();
    }

    @Override
    public PeerInfo localPeer() {
        return delegate.localPeer();
    }

    @Override
    public boolean isSecure() {
        return delegate.isSecure();
    }

    @Override
    public String socketId() {
        return delegate.socketId();
    }

    @Override
    public String childSocketId() {
        return delegate.childSocketId();
    }
}
