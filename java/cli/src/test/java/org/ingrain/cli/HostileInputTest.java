package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests unusual and malicious input and output files. */
class HostileInputTest {
    @TempDir
    private Path temp;

    private Path model;

    @BeforeEach
    void write() throws IOException {
        model = TinyModelFolder.write(temp.resolve("model"));
    }

    private Run generate(Object... flags) {
        return Run.of(Stream.concat(Stream.of("generate", "--model", model, "--raw", "--max-tokens", "2"),
                Arrays.stream(flags)).toArray());
    }

    private Path pipe(String name, String content) throws Exception {
        Path pipe = temp.resolve(name);
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        if (content != null) {
            new ProcessBuilder("bash", "-c", "printf %s \"$0\" >\"$1\"", content, pipe.toString()).start();
        }
        return pipe;
    }

    private static void refused(Run run, String line) {
        assertEquals(2, run.status(), run.err());
        assertEquals("ingrain: " + line, run.complaint());
        assertEquals("", run.out());
    }

    @Test
    void promptsAreUtf8() throws IOException {
        Path prompts = temp.resolve("prompts.txt");
        Files.write(prompts, new byte[] {'a', '\n', 'b', (byte) 0xff, '\n'});
        refused(generate("--prompts", prompts), prompts + " line 2: byte 3 of the file is not UTF-8, expected UTF-8");
        refused(generate("--prompts", temp.resolve("none")), temp.resolve("none") + ": cannot be read: no such file");
        refused(generate("--prompts", model), model + ": cannot be read: Is a directory");
    }

    @Test
    void aByteOrderMarkIsNoPartOfAPrompt() throws IOException {
        Path plain = Files.writeString(temp.resolve("plain.txt"), "ab\nc\n");
        Path marked = Files.writeString(temp.resolve("marked.txt"), "\ufeffab\r\nc\r\n");
        Run expected = generate("--prompts", plain, "--json");
        assertEquals(2, expected.out().lines().count(), expected.err());
        assertEquals(expected.out(), generate("--prompts", marked, "--json").out());
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream("\ufeffab\nc".getBytes(StandardCharsets.UTF_8)));
            assertEquals(expected.out(), generate("--prompts", "-", "--json").out());
            System.setIn(new ByteArrayInputStream("\ufeffab\nc".getBytes(StandardCharsets.UTF_8)));
            Run ids = Run.of("tokenize", "--model", model);
            assertEquals(Run.of("tokenize", "--model", model, "ab", "c").out(), ids.out());
        } finally {
            System.setIn(before);
        }
    }

    @Test
    void pipesAreInputs() throws Exception {
        Run expected = generate("--prompt", "ab", "--json");
        assertEquals(expected.out(), generate("--prompts", pipe("prompts", "ab"), "--json").out());
        Run finetune = Run.of("finetune", "--model", model, "--data", pipe("rows", "{\"text\": \"abc\"}"), "--rank",
                "2", "--max-steps", "1", "--output", temp.resolve("tuned"));
        assertEquals(0, finetune.status(), finetune.err());
        Run evaluate = Run.of("evaluate", "--model", model, "--task", "last-letter", "--max-tokens", "2", "--data",
                pipe("questions", "{\"question\": \"the words in \\\"Ann Lee\\\"\", \"answer\": \"ne\"}"), "--output",
                temp.resolve("evaluated"));
        assertEquals(0, evaluate.status(), evaluate.err());
    }

    /** Reading a pipe without a writer would never end. */
    @Test
    void aPipeIsNoFileOfAModel() throws Exception {
        Files.delete(model.resolve("config.json"));
        Path pipe = pipe("model/config.json", null);
        refused(generate("--prompt", "a"), pipe + ": is a device or a pipe, expected a regular file");
    }

    @Test
    void specialFilesAreNoOutputs() throws Exception {
        Path pipe = pipe("pipe", null);
        refused(generate("--prompt", "a", "--output", pipe),
                pipe + ": is a device or a pipe, expected a regular file or a new name");
        assertTrue(Files.exists(pipe) && !Files.isRegularFile(pipe));
        Path prompts = Files.writeString(temp.resolve("prompts.txt"), "ab\n");
        refused(generate("--prompts", prompts, "--output", prompts),
                prompts + ": is also an input, expected another file");
        Path weights = model.resolve("model.safetensors");
        refused(generate("--prompt", "a", "--output", weights), weights + ": is also an input, expected another file");
        assertEquals("ab\n", Files.readString(prompts));
    }

    /** A write does not change files that have the usual names of temporary files. */
    @Test
    void filesBesideAnOutputStay() throws IOException {
        Path victim = Files.writeString(temp.resolve("victim"), "mine");
        Path link = Files.createSymbolicLink(temp.resolve("out.txt.part"), victim);
        Path other = Files.writeString(temp.resolve("out.txt.tmp"), "mine");
        assertEquals(0, generate("--prompt", "a", "--output", temp.resolve("out.txt")).status());
        assertTrue(Files.isRegularFile(temp.resolve("out.txt")));
        assertEquals(List.of("mine", "mine"), List.of(Files.readString(victim), Files.readString(other)));
        assertTrue(Files.isSymbolicLink(link));
        try (Stream<Path> files = Files.list(temp)) {
            assertFalse(files.anyMatch(file -> file.getFileName().toString().startsWith(".ingrain")));
        }
    }

    @Test
    void numbersOfSamplesHaveABound() {
        refused(generate("--prompt", "a", "--n", "2147483647"),
                "--n: 2147483647 with 1 prompts, expected 1 or more, and at most 1000000 completions");
        refused(generate("--prompt", "a", "--n", "2", "--first-sample", "2147483647"),
                "--first-sample: 2147483647, expected at most 2147483645 with --n 2");
    }

    @Test
    void weightsThatAreNoNumbersAreNamed() throws IOException {
        List<TensorOutput> tensors = new ArrayList<>(TinyModelFolder.tensors());
        float[] nan = new float[32];
        Arrays.fill(nan, Float.NaN);
        tensors.replaceAll(tensor -> tensor.name().equals("model.norm.weight")
                ? TensorOutput.of(tensor.name(), nan, 32) : tensor);
        Files.delete(model.resolve("model.safetensors"));
        SafetensorsWriter.writeModel(model, tensors, Long.MAX_VALUE);
        Run run = generate("--prompt", "a");
        assertEquals(2, run.status());
        assertTrue(run.complaint().startsWith("ingrain: " + model
                + ": the logits are not finite at position "), run.err());
    }

    @Test
    void sizesThatOverflowAreRefused() throws IOException {
        Path config = model.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("\"hidden_size\": 32", "\"hidden_size\": 2147483640")
                .replace("\"vocab_size\": 259", "\"vocab_size\": 2147483647"));
        refused(Run.of("bench", "--model", config, "--random-weights"), config
                + ": vocab_size: 2147483647 with hidden_size 2147483640, expected a matrix of at most 2^40 elements");
    }

    @Test
    void truncatedRowsWithoutATargetAreDroppedAndCounted() throws IOException {
        Path rows = Files.writeString(temp.resolve("rows.jsonl"), "{\"prompt\": \"abcdefgh\", \"completion\": \"i\"}\n"
                + "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
        List<Object> command = List.of("finetune", "--model", model, "--data", rows, "--rank", "2", "--max-steps", "1",
                "--max-length", "6", "--truncate", "--output", temp.resolve("tuned"));
        Run run = Run.of(command.toArray());
        assertEquals(0, run.status(), run.err());
        assertTrue(run.err().contains(
                "warning: 1 rows dropped: --truncate leaves no target token in their first 6 tokens"), run.err());
        Files.writeString(rows, "{\"prompt\": \"abcdefgh\", \"completion\": \"i\"}\n");
        refused(Run.of(command.toArray()), "--data: empty after truncation dropped 1 rows without a target token, "
                + "expected at least one row to train on");
    }
}
