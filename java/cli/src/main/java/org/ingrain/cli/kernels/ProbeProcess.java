package org.ingrain.cli.kernels;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.workbench.KernelCheck;
import org.ingrain.workbench.KernelFile;
import org.ingrain.workbench.Workbench;

/** Runs {@link KernelsProbe} in a separate Java process, and reports a failure of a kernel in one line. */
final class ProbeProcess {
    private static final Pattern SIGNAL = Pattern.compile("(?m)^# +(SIG\\w+)");
    private static final Optional<String> END = Optional.empty();

    private static final int SETUP_SECONDS = 300;   // time limit for the start and for measuring the peaks

    private final String program;
    private final int timeout;
    private String where = "";

    /**
     * @param program name of the main class of the command line
     * @param timeout time limit for one shape, in seconds
     */
    ProbeProcess(String program, int timeout) {
        this.program = program;
        this.timeout = timeout;
    }

    /** @throws InputException if a kernel is wrong, crashes or does not return in time; the message has one line */
    KernelCheck.Result run(DeviceFlags device, List<KernelFile> kernels) {
        Path library = NativeLibraries.find(device.backend());
        return Workbench.compiled(library, kernels, (overlays, folder) -> {
            Path work = folder.resolve("work.json");
            DurableFile.write(
                    work, Json.line(new KernelCheck.Work(library, device.backend(), device.context(), overlays)));
            Path crash = folder.resolve("crash.log");
            try {
                Process process = new ProcessBuilder(command(work, crash))
                        .redirectError(ProcessBuilder.Redirect.INHERIT).start();
                try {
                    return listen(process, crash);
                } finally {
                    process.destroyForcibly();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    private List<String> command(Path work, Path crash) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC", "-XX:-UsePerfData",
                "-XX:-CreateCoredumpOnCrash", "-Xlog:disable", "-XX:ErrorFile=" + crash));
        for (String property : List.of("ingrain.home", "ingrain.root")) {
            if (System.getProperty(property) != null) {
                command.add("-D" + property + "=" + System.getProperty(property));
            }
        }
        String classPath = System.getProperty("java.class.path");
        command.addAll(List.of("-cp", classPath, program, "kernels", "probe", work.toString()));
        return command;
    }

    private KernelCheck.Result listen(Process process, Path crash) {
        BlockingQueue<Optional<String>> lines = new LinkedBlockingQueue<>();
        Thread.ofVirtual().start(() -> read(process, lines));
        for (Optional<String> line = next(lines); line.isPresent(); line = next(lines)) {
            String text = line.get();
            int mark = text.indexOf(KernelsProbe.MARK);
            String message = mark < 0 ? "" : text.substring(mark + KernelsProbe.MARK.length());
            if (message.startsWith(KernelsProbe.AT)) {
                where = message.substring(KernelsProbe.AT.length());
            } else if (message.startsWith(KernelsProbe.WRONG)) {
                throw new InputException(message.substring(KernelsProbe.WRONG.length()));
            } else if (message.startsWith(KernelsProbe.RESULT)) {
                return Json.parse(message.substring(KernelsProbe.RESULT.length()), KernelCheck.Result.class,
                        "the check's result");
            } else if (!text.startsWith("#")) {   // lines of the Java runtime's crash report begin with #
                System.err.println(text);
            }
        }
        throw new InputException(where() + ": " + end(process, crash));
    }

    private String where() {
        return where.isEmpty() ? "the check" : where;
    }

    private Optional<String> next(BlockingQueue<Optional<String>> lines) {
        try {
            int seconds = where.isEmpty() ? SETUP_SECONDS : timeout;
            Optional<String> line = lines.poll(seconds, TimeUnit.SECONDS);
            if (line == null) {
                throw new InputException(where() + ": has not returned after " + seconds + " s");
            }
            return line;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while a kernel was checked", e);
        }
    }

    private static void read(Process process, BlockingQueue<Optional<String>> lines) {
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            out.lines().forEach(line -> lines.add(Optional.of(line)));
        } catch (IOException | UncheckedIOException e) {
            lines.add(Optional.of("the output of the checking process cannot be read: " + e.getMessage()));
        }
        lines.add(END);
    }

    /** Describes the end of a process that reported neither a result nor an error. */
    private static String end(Process process, Path crash) {
        try {
            int status = process.waitFor();
            if (Files.isRegularFile(crash)) {
                Matcher signal = SIGNAL.matcher(Files.readString(crash));
                return "crashes" + (signal.find() ? " with " + signal.group(1) : "");
            }
            return status > 128 ? "ends the process with signal " + (status - 128) : "ends the process with status "
                    + status;
        } catch (IOException e) {
            return "crashes";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while a kernel was checked", e);
        }
    }
}
