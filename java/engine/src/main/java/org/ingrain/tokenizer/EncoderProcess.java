package org.ingrain.tokenizer;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.ingrain.tensor.InputException;

/**
 * Runs the tokenizers library in a child process. This class is used for files that might make the library abort its
 * process or run forever; see {@link TokenizerCheck}. The child process starts when the first text is encoded. If the
 * child ends unexpectedly or exceeds the time limit, the text is refused, and the next text starts a new child. {@link
 * EncoderMain} describes the messages. Thread-safe.
 */
final class EncoderProcess implements AutoCloseable {
    private final String where;
    private final byte[] json;
    private final Duration limit;
    private Process process;
    private DataOutputStream requests;
    private DataInputStream replies;

    /**
     * Prepares the child process, which starts when the first text is encoded.
     *
     * @param limit maximum time to encode a text of less than 100 000 characters. In a longer text, each full
     *              100 000 characters add {@code limit} to this time. The start of the child may take ten times
     *              {@code limit}
     */
    EncoderProcess(String where, byte[] json, Duration limit) {
        this.where = where;
        this.json = json.clone();
        this.limit = limit;
    }

    /** @param addSpecial whether to apply the post-processor */
    synchronized int[] encode(String text, boolean addSpecial) {
        if (process == null || !process.isAlive()) {
            start();
        }
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        Duration time = limit.multipliedBy(1 + text.length() / 100_000);
        return reply("encoded a text of " + text.length() + " characters", time, () -> {
            requests.writeBoolean(addSpecial);
            EncoderMain.write(requests, utf8);
        });
    }

    private void start() {
        close();
        try {
            process = new ProcessBuilder(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC", "-XX:-UsePerfData",
                    "-XX:-CreateCoredumpOnCrash", "-XX:+SuppressFatalErrorMessage", "-Xmx1g", "-cp",
                    System.getProperty("java.class.path"), EncoderMain.class.getName()))
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        } catch (IOException e) {
            throw new InputException(where + ": the process for its tokenizer cannot be started: " + e.getMessage(), e);
        }
        requests = new DataOutputStream(process.getOutputStream());
        replies = new DataInputStream(process.getInputStream());
        reply("loaded the file", limit.multipliedBy(10), () -> EncoderMain.write(requests, json));
    }

    private interface Message {
        void send() throws IOException;
    }

    /**
     * Sends a message and reads the reply, which is a list of ids or an error message. Kills the child if it does not
     * reply in time.
     */
    private int[] reply(String work, Duration time, Message message) {
        Process child = process;
        CompletableFuture<Void> done = new CompletableFuture<>();
        CompletableFuture<Void> late = done.copy().orTimeout(time.toMillis(), TimeUnit.MILLISECONDS)
                .whenComplete((nothing, timeout) -> {
                    if (timeout != null) {
                        child.destroyForcibly();
                    }
                });
        try {
            message.send();
            requests.flush();
            int count = replies.readInt();
            if (count < 0) {
                throw new InputException(where + ": " + new String(EncoderMain.read(replies), StandardCharsets.UTF_8));
            }
            int[] ids = new int[count];
            for (int i = 0; i < count; i++) {
                ids[i] = replies.readInt();
            }
            return ids;
        } catch (IOException ended) {
            close();
            throw new InputException(where + ": the tokenizers library "
                    + (late.isCompletedExceptionally() ? "took more than " + time.toSeconds() + " s" : "crashed")
                    + " while it " + work + "; the cause can be a regular expression or an invalid normalizer of the "
                    + "file", ended);
        } finally {
            done.complete(null);
        }
    }

    @Override
    public synchronized void close() {
        if (process != null) {
            process.destroyForcibly();
            process = null;
        }
    }
}
