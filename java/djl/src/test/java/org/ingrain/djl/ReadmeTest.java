package org.ingrain.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Compiles and runs the DJL program in README. The program must send no telemetry, even without an environment variable
 * that disables telemetry.
 */
class ReadmeTest {
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));

    @TempDir
    private Path folder;

    @Test
    void readmesProgramGeneratesTextsAndSendsNothing() throws IOException, InterruptedException {
        String program = Files.readAllLines(ROOT.resolve("README.md")).stream()
                .dropWhile(line -> !line.equals("### With DJL"))
                .dropWhile(line -> !line.equals("```java")).skip(1)
                .takeWhile(line -> !line.equals("```")).collect(Collectors.joining("\n"));
        Path source = Files.writeString(folder.resolve("Chat.java"), program);
        String classes = System.getProperty("java.class.path");
        assertEquals(0, ToolProvider.getSystemJavaCompiler().run(null, null, null, "-proc:none", "-cp", classes,
                "-d", folder.toString(), source.toString()));
        Path output = folder.resolve("output.txt");
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-Dingrain.root=" + ROOT, "-cp", classes + ":" + folder,
                RecordsConnections.class.getName(), "Chat")
                .directory(ROOT.toFile()).redirectErrorStream(true).redirectOutput(output.toFile());
        builder.environment().remove("OPT_OUT_TRACKING");
        Process java = builder.start();
        assertTrue(java.waitFor(5, TimeUnit.MINUTES), "still running after five minutes");
        List<String> lines = Files.readAllLines(output);
        assertEquals(0, java.exitValue(), lines.toString());
        assertEquals(List.of("A-n-n", "A-n-n", "A-n-n", "A-n-n", "A-n-n", "connections: []"), lines);
    }
}
