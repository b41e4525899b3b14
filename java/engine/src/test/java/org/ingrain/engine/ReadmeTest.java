package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.checkpoint.PeftAdapter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compiles the Java program in README.md and runs it with the lab model. */
class ReadmeTest {
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));
    private static final String ROW = "{\"prompt\": \"Spell the word %s.\", \"completion\": \"%s\"}\n";

    @TempDir
    private Path folder;

    @Test
    void readmesProgramSamplesAndWritesAnAdapter() throws IOException, InterruptedException {
        String program = Files.readAllLines(ROOT.resolve("README.md")).stream()
                .dropWhile(line -> !line.equals("```java")).skip(1)
                .takeWhile(line -> !line.equals("```")).collect(Collectors.joining("\n"));
        Path lab = Files.createDirectories(folder.resolve("models/lab"));
        try (Stream<Path> files = Files.list(ROOT.resolve("models/lab"))) {
            for (Path file : files.toList()) {
                Files.copy(file, lab.resolve(file.getFileName()));
            }
        }
        Files.writeString(folder.resolve("train.jsonl"), ROW.formatted("Ann", "A n n") + ROW.formatted("Bob", "B o b"));
        Path source = Files.writeString(folder.resolve("Tune.java"), program);
        Path output = folder.resolve("output.txt");
        Process java = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-Dingrain.root=" + ROOT,
                "-cp", System.getProperty("java.class.path"), source.toString())
                .directory(folder.toFile()).redirectErrorStream(true).redirectOutput(output.toFile()).start();
        assertTrue(java.waitFor(5, TimeUnit.MINUTES), "still running after five minutes");
        assertEquals(0, java.exitValue(), Files.readString(output));
        List<String> lines = Files.readAllLines(output);
        assertTrue(lines.contains("adapter in runs/tuned/adapter"), lines.toString());
        try (Engine engine = Engine.open(ModelOptions.of(ROOT.resolve("models/lab")))) {
            PeftAdapter adapter = PeftAdapter.read(folder.resolve("runs/tuned/adapter"), engine.blueprint());
            assertEquals(7 * engine.blueprint().numHiddenLayers(), adapter.modules().size());
        }
    }
}
