package org.ingrain.distill.verify;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.ingrain.files.Json;
import org.ingrain.files.TemporaryFolder;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Runs the program of a {@link VerifierConfig} for one answer. The program gets one JSON line on standard input. An
 * empty temporary folder is its working folder and its HOME. The program's environment has only PATH, HOME, TMPDIR and
 * LANG. The program has a time limit and, if {@code prlimit} is installed, limits on memory and file sizes. This is not
 * a sandbox: the program has the rights of the user, including access to the network and to the user's files.
 *
 * <p>Exit status 0 accepts the answer, and status 1 rejects it. If the status is 0 and the last line of standard output
 * is a JSON object with the boolean {@code accepted}, and optionally the number {@code score}, this object is the
 * verdict. If the program exceeds the time limit or a signal ends it, the answer is rejected. Every other exit status
 * is an error. Status 1 with text on standard error is also an error, because interpreters report a faulty script in
 * this way.
 */
final class VerifierProcess {
    private static final Path PRLIMIT = Path.of("/usr/bin/prlimit");
    /** Maximum number of bytes that are kept of each output stream; further bytes are read and discarded. */
    private static final int MOST_OUTPUT = 64 << 10;
    private static final int MOST_FILE_MIB = 64;
    private static final int SIGNALLED = 128;

    private final VerifierConfig config;
    private final List<String> command = new ArrayList<>();

    VerifierProcess(VerifierConfig config) {
        this.config = config;
        if (limitsMemory()) {
            command.addAll(List.of(PRLIMIT.toString(), "--core=0", "--fsize=" + ((long) MOST_FILE_MIB << 20)));
            if (config.memory() > 0) {
                command.add("--as=" + ((long) config.memory() << 20));
            }
            command.add("--");
        }
        command.addAll(config.command());
    }

    /** Whether this machine can limit the memory of the program. */
    static boolean limitsMemory() {
        return Files.isExecutable(PRLIMIT);
    }

    /**
     * The verdict on one answer.
     *
     * @param input the line for standard input, without a line end
     * @throws InputException if the program cannot be started, or fails
     */
    Verdict run(String id, String path, String input) {
        try (TemporaryFolder folder = TemporaryFolder.make("ingrain-verifier-")) {
            ProcessBuilder builder = new ProcessBuilder(command).directory(folder.path().toFile());
            String search = builder.environment().getOrDefault("PATH", "/usr/bin:/bin");
            builder.environment().clear();
            builder.environment().putAll(Map.of("PATH", search, "HOME", folder.path().toString(), "TMPDIR",
                    folder.path().toString(), "LANG", "C.UTF-8"));
            Process process = builder.start();
            try {
                return verdict(id, path, process, input);
            } finally {
                end(process);
            }
        } catch (IOException e) {
            throw InputException.field("verifier", String.join(" ", config.command()) + ": cannot be started: "
                    + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while an answer was verified", e);
        }
    }

    private Verdict verdict(String id, String path, Process process, String input) throws InterruptedException {
        CompletableFuture<String> out = read(process.getInputStream());
        CompletableFuture<String> err = read(process.getErrorStream());
        Thread.ofVirtual().start(() -> write(process, input));
        if (!process.waitFor(config.timeout(), TimeUnit.SECONDS)) {
            return new Verdict(id, path, false, null, "time limit of " + config.timeout() + " s");
        }
        int status = process.exitValue();
        end(process);   // a child process may still hold the output open
        if (status > SIGNALLED) {
            return new Verdict(id, path, false, null, "ended by signal " + (status - SIGNALLED));
        }
        String last = out.join().strip().lines().reduce((first, second) -> second).orElse("");
        Optional<JsonNode> said = last.startsWith("{") ? Json.prefix(last) : Optional.empty();
        if (status == 0 && said.isPresent() && said.get().path("accepted").isBoolean()) {
            JsonNode score = said.get().path("score");
            return new Verdict(id, path, said.get().path("accepted").asBoolean(),
                    score.doubleValueOpt().isPresent() ? score.doubleValue() : null, null);
        }
        String fault = err.join().strip();
        if (status > 1 || status == 1 && !fault.isEmpty()) {
            throw InputException.field("verifier", String.join(" ", config.command()) + ": example " + id + ", answer "
                    + path + ": exit status " + status + (fault.isEmpty() ? "" : ", standard error ends with: "
                    + fault.lines().reduce((first, second) -> second).orElse(""))
                    + "; expected 0 (accepted) or 1 (rejected) without text on standard error");
        }
        return new Verdict(id, path, status == 0, null, null);
    }

    private static void end(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private static void write(Process process, String input) {
        try (OutputStream in = process.getOutputStream()) {
            in.write((input + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException unread) {
            // This is not a fault: a program may end without reading its input.
        }
    }

    private static CompletableFuture<String> read(InputStream output) {
        CompletableFuture<String> text = new CompletableFuture<>();
        Thread.ofVirtual().start(() -> {
            ByteArrayOutputStream kept = new ByteArrayOutputStream();
            byte[] part = new byte[1 << 13];
            try (output) {
                for (int n = output.read(part); n >= 0; n = output.read(part)) {
                    kept.write(part, 0, Math.min(n, MOST_OUTPUT - kept.size()));
                }
            } catch (IOException ended) {
                // The program was ended. The bytes that were read until then count as its output.
            } finally {
                text.complete(kept.toString(StandardCharsets.UTF_8));
            }
        });
        return text;
    }
}
