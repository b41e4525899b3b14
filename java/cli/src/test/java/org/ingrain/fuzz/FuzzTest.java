package org.ingrain.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.Jazzer;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every reader accepts a file or refuses it with an InputException. */
class FuzzTest {
    @TempDir
    Path folder;

    /**
     * Passes a fixed number of inputs to every target. The inputs are generated with a fixed random seed. They include
     * the inputs that caused faults in the past. Every target must accept one of its seed files.
     */
    @Test
    void fuzzedInputsCauseNoFault() throws IOException, InterruptedException {
        Path corpus = folder.resolve("corpus");
        String output = run("-D" + Fuzzer.CORPUS + "=" + corpus, Jazzer.class.getName(),
                "--target_class=" + Fuzzer.class.getName(), "--instrumentation_includes=org.ingrain.**",
                "--instrumentation_excludes=org.ingrain.fuzz.**",
                "--custom_hook_includes=org.ingrain.tokenizer.**:org.ingrain.distill.report.**",
                "--custom_hooks=" + NoEncoderProcess.class.getName() + ":" + NoImages.class.getName(),
                "--disabled_hooks=com.code_intelligence.jazzer.sanitizers.RegexInjection",
                "--reproducer_path=" + folder,
                "-artifact_prefix=" + folder + "/", "-seed=1", "-max_len=1024", "-len_control=0", "-timeout=600",
                "-runs=70", corpus.toString());
        assertTrue(output.contains("Done "), output);
    }

    @Test
    void aReaderThatThrowsAnotherExceptionIsAFault() {
        Target target = new Target("test", Format.BYTES, List.of(new byte[1]), file -> {
            throw new IllegalStateException("a fault");
        });
        Target.Fault fault = assertThrows(Target.Fault.class, () -> target.accepts(new byte[] {1, 2}));
        assertEquals("test, 2 bytes 0102", fault.getMessage());
    }

    /** An edited file has the format of its seed, so that it passes the reader's first checks. */
    @Test
    void editsKeepTheFormat() {
        byte[] seed = "{\"a\": [1, 2], \"b\": {\"c\": \"x\"}}".getBytes(StandardCharsets.UTF_8);
        Target target = new Target("test", Format.JSON, List.of(seed), file -> { });
        byte[] input = {Target.EDITS, 0, 2, 0, 1, 0, 0, 3, 4};
        assertEquals("{\"a\":1,\"b\":{\"c\":\"x\"}}", new String(target.file(input), StandardCharsets.UTF_8));
        assertEquals("[]", new String(target.file("[]".getBytes(StandardCharsets.UTF_8)), StandardCharsets.UTF_8));
    }

    /** Runs a Java process, which must succeed, and returns its output. */
    private String run(String... arguments) throws IOException, InterruptedException {
        Path temporary = Files.createDirectories(folder.resolve("tmp"));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Djava.io.tmpdir=" + temporary,
                "-Dingrain.root=" + System.getProperty("ingrain.root"), "-cp", classPath()));
        command.addAll(List.of(arguments));
        Path log = folder.resolve("log");
        Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true)
                .redirectOutput(log.toFile()).start();
        int status = process.waitFor();
        String output = new String(Files.readAllBytes(log), StandardCharsets.ISO_8859_1);
        assertEquals(0, status, output);
        return output;
    }

    private static String classPath() {
        return FuzzTest.class.getClassLoader() instanceof URLClassLoader loader
                ? Stream.of(loader.getURLs()).map(URL::getPath).collect(Collectors.joining(":"))
                : System.getProperty("java.class.path");
    }
}
