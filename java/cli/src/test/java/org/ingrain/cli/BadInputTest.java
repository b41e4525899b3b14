package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ingrain.checkpoint.SafetensorsWriter;
import org.ingrain.checkpoint.TensorOutput;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** For bad input, the command prints one line that names the fault, exits with status 2 and leaves no partial files. */
class BadInputTest {
    @TempDir
    private Path temp;

    private interface Change {
        void make(Path folder) throws IOException;
    }

    private static void assertRefused(Run run, String... words) {
        assertEquals(2, run.status(), run.err());
        assertEquals(1, run.err().lines().filter(line -> line.startsWith("ingrain: ")).count(), run.err());
        assertFalse(run.err().contains("\tat "), run.err());
        assertEquals("", run.out());
        for (String word : words) {
            assertTrue(run.complaint().contains(word), word + " in: " + run.complaint());
        }
    }

    static Stream<Arguments> folders() {
        return Stream.of(
                broken("truncated", folder -> cut(folder.resolve("model.safetensors"), -100), "model.safetensors",
                        "truncated"),
                broken("header longer than the file", folder -> header(folder, bytes -> bytes.putLong(0, 1L << 40)),
                        "model.safetensors", "header"),
                broken("offsets overlap", folder -> text(folder.resolve("model.safetensors"), "[0,33152]", "[4,33156]"),
                        "model.safetensors", "4"),
                broken("wrong dtype", folder -> text(folder.resolve("model.safetensors"), "\"F32\"", "\"F64\""),
                        "model.safetensors", "F64"),
                broken("missing tensor", folder -> rewrite(
                        folder, tensors -> tensors.removeIf(t -> t.name().equals("model.norm.weight"))),
                        "model.norm.weight", "missing"),
                broken("another shape", folder -> rewrite(folder, tensors -> tensors.replaceAll(t ->
                        t.name().equals("lm_head.weight") ? TensorOutput.of(t.name(), new float[64], 2, 32) : t)),
                                "lm_head.weight", "[259, 32]"),
                broken("unknown architecture", folder -> text(folder.resolve("config.json"), "LlamaForCausalLM",
                        "MambaForCausalLM"), "config.json", "MambaForCausalLM", "LlamaForCausalLM"),
                broken("attention bias", folder -> text(folder.resolve("config.json"), "\"head_dim\"",
                        "\"attention_bias\": true, \"head_dim\""), "attention_bias"),
                broken("a field that is no number", folder -> text(folder.resolve("config.json"), "\"hidden_size\": 32",
                        "\"hidden_size\": \"x\""), "config.json", "hidden_size"),
                broken("no tokenizer", folder -> Files.delete(folder.resolve("tokenizer.json")), "tokenizer.json"),
                broken("no weights", folder -> Files.delete(folder.resolve("model.safetensors")), "model.safetensors"),
                broken("no config", folder -> Files.delete(folder.resolve("config.json")), "config.json"));
    }

    private static Arguments broken(String name, Change change, String... words) {
        return Arguments.of(name, change, words);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("folders")
    void aBrokenModelFolderIsNamed(String name, Change change, String[] words) throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        change.make(folder);
        assertRefused(Run.of("generate", "--model", folder, "--prompt", "ab"), words);
    }

    @Test
    void aMissingShardIsNamed() throws IOException {
        Path folder = TinyModelFolder.writeSharded(temp.resolve("sharded"));
        Run whole = Run.of("generate", "--model", folder, "--raw", "--prompt", "ab", "--max-tokens", "3");
        assertEquals(0, whole.status(), whole.err());
        try (Stream<Path> files = Files.list(folder)) {
            Files.delete(files.filter(file -> file.getFileName().toString().startsWith("model-00002")).findFirst()
                    .orElseThrow());
        }
        assertRefused(Run.of("generate", "--model", folder, "--prompt", "ab"), "model.safetensors.index.json",
                "model-00002");
    }

    static Stream<Arguments> flags() {
        return Stream.of(
                Arguments.of(List.of("--temperature", "-1"), "--temperature"),
                Arguments.of(List.of("--n", "0"), "--n"),
                Arguments.of(List.of("--top-p", "0"), "--top-p"),
                Arguments.of(List.of("--top-k", "-1"), "--top-k"),
                Arguments.of(List.of("--max-tokens", "0"), "--max-tokens"),
                Arguments.of(List.of("--min-tokens", "9", "--max-tokens", "8"),
                        "--min-tokens: 9, expected 0 to the maximum number of tokens, 8"),
                Arguments.of(List.of("--logit-bias", "5"), "--logit-bias"),
                Arguments.of(List.of("--logit-bias", "5=101"),
                        "--logit-bias: 101.0 for token id 5, expected -100 to 100"),
                Arguments.of(List.of("--logit-bias", "99999=1"), "--logit-bias: token id 99999, expected 0 to"),
                Arguments.of(List.of("--threads", "-2"), "--threads"),
                Arguments.of(List.of("--isa", "sse9"), "isa"),
                Arguments.of(List.of("--device", "tpu"), "--device"),
                Arguments.of(List.of("--dtype", "f8"), "--dtype"),
                Arguments.of(List.of("--context", "100000"),
                        "--context: 100000, expected at most max_position_embeddings 192"),
                Arguments.of(List.of("--max-batch-tokens", "2", "--max-sequences", "4"),
                        "--max-batch-tokens: 2, expected at least --max-sequences 4"),
                Arguments.of(List.of("--cache-tokens", "10"), "--cache-tokens"),
                Arguments.of(List.of("--seed", "x"), "--seed"),
                Arguments.of(List.of("--no-such-flag"), "--no-such-flag"),
                Arguments.of(List.of("--adapter", "/nowhere"), "/nowhere"));
    }

    @ParameterizedTest
    @MethodSource("flags")
    void aBadFlagIsNamed(List<String> flags, String word) throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        List<Object> words = new ArrayList<>(List.of("generate", "--model", folder, "--prompt", "ab"));
        words.addAll(flags);
        assertRefused(Run.of(words.toArray()), word);
    }

    @Test
    void aPromptLongerThanTheContextIsRefused() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        assertRefused(Run.of("generate", "--model", folder, "--raw", "--prompt", "x".repeat(400)), "prompt", "192");
    }

    @Test
    void aModelLargerThanMemoryIsRefusedBeforeLoading() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        assertRefused(Run.of("generate", "--model", folder, "--prompt", "ab", "--cache-tokens", "60000000000"), "needs",
                "free");
    }

    @Test
    void malformedTrainingDataIsNamedByLine() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Path data = Files.writeString(temp.resolve("data.jsonl"),
                "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\": \n");
        Path output = temp.resolve("run");
        assertRefused(Run.of("finetune", "--model", folder, "--data", data, "--output", output), "data.jsonl", "2");
        assertFalse(Files.exists(output));
        Files.writeString(data, "");
        assertRefused(Run.of("finetune", "--model", folder, "--data", data, "--output", output), "data.jsonl");
        assertFalse(Files.exists(output));
    }

    @Test
    void malformedQuestionsAreNamedByLine() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Path data = Files.writeString(temp.resolve("questions.jsonl"),
                "{\"question\":\"a\",\"answer\":\"b\"}\nnot json\n");
        Path output = temp.resolve("run");
        Object[] distill = {"distill", "--model", folder, "--task", "question-answer", "--method", "direct", "--data",
                data, "--output", output};
        assertRefused(Run.of(distill), "questions.jsonl", "2");
        assertFalse(Files.exists(output));
        Files.writeString(data, "");
        assertRefused(Run.of(distill), "questions.jsonl");
        assertFalse(Files.exists(output));
    }

    static Stream<Arguments> questions() {
        String letters =
                "{\"question\": \"Take the last letters of the words in \\\"Ann Lee\\\" and concatenate them.\", "
                + "\"answer\": \"ne\"}\n";
        return Stream.of(
                Arguments.of(letters, List.of("distill", "--test-orders", "-3"),
                        "--test-orders: -3, expected 1 or more"),
                Arguments.of(letters, List.of("evaluate", "--test-orders", "0"),
                        "--test-orders: 0, expected 1 or more"),
                Arguments.of(letters + letters.replace("Ann", "Bob"),
                        List.of("distill", "--test-size", "1", "--test-orders", "2"),
                        "--test-orders: 2, expected 1: questions of task last-letter have only one order"),
                Arguments.of(letters, List.of("evaluate", "--test-orders", "2"),
                        "--test-orders: 2, expected 1: questions of task last-letter have only one order"),
                Arguments.of(letters, List.of("evaluate", "--method", "direct", "--temperature", "1", "--n", "8,8"),
                        "--n: 2 numbers, but method direct has 1 step that is sampled"),
                Arguments.of(letters, List.of("evaluate", "--size", "3"), "--size: 3 with --data"),
                Arguments.of(letters, List.of("distill", "--n", "2000000000,2"),
                        "--n: [2000000000, 2] samples of each step, expected at most 10000 answers to a question"),
                Arguments.of(letters, List.of("evaluate", "--temperature", "1", "--n", "10001"),
                        "--n: [10001] samples of each step, expected at most 10000 answers to a question"),
                Arguments.of(letters, List.of("distill", "--test-votes", "1,2000000000"),
                        "--test-votes: [1, 2000000000], expected 1 to 10000"),
                Arguments.of(letters, List.of("distill", "--stages", "2000000000"),
                        "--stages: 2000000000, expected 0 (train on the answer alone) to 1000"),
                Arguments.of(letters, List.of("distill", "--rounds", "2000000000"),
                        "--rounds: 2000000000, expected 1 to 1000"),
                Arguments.of(letters, List.of("distill", "--temperature", "1e40"),
                        "temperature: 1.0E40, expected 0 (greedy) to 1000"),
                Arguments.of(letters, List.of("distill", "--names", "/dev/null"), "--names: /dev/null with --data"));
    }

    @ParameterizedTest
    @MethodSource("questions")
    void aFlagOutOfPlaceOrOutOfBoundsIsRefused(String rows, List<String> flags, String words) throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Path data = Files.writeString(temp.resolve("letters.jsonl"), rows);
        Path output = temp.resolve("run");
        List<Object> command = new ArrayList<>(flags);
        command.addAll(List.of("--model", folder, "--task", "last-letter", "--data", data, "--output", output));
        assertRefused(Run.of(command.toArray()), words);
        assertFalse(Files.exists(output));
    }

    @Test
    void choicesAreTypedAsTheHelpHasThem() throws IOException {
        String help = Run.of("distill", "--help").out().replaceAll("\\s+", " ");
        assertTrue(help.contains("text, yes-no or number (default: text)"), help);
        Path data = temp.resolve("none.jsonl");
        List<Object> command = List.of("distill", "--model", TinyModelFolder.write(temp.resolve("model")), "--task",
                "question-answer", "--data", data, "--output", temp.resolve("run"));
        for (String typed : List.of("--answer-format=text", "--answer-format=yes-no", "--answer-format=number",
                "--target=response", "--schedule=linear")) {
            assertRefused(Run.of(Stream.concat(command.stream(), Stream.of(typed)).toArray()),
                    data + ": cannot be read: no such file");
        }
        for (String refused : List.of("--answer-format: 'YES_NO', expected one of text, yes-no, number",
                "--target: 'x', expected one of answer, response",
                "--schedule: 'up', expected one of constant, linear, cosine")) {
            String typed = refused.replaceAll(": '(.*?)'.*", "=$1");
            assertRefused(Run.of(Stream.concat(command.stream(), Stream.of(typed)).toArray()), refused);
        }
    }

    @Test
    void aLimitOfQuestionsThatAreMadeUpIsRefused() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        assertRefused(Run.of("distill", "--model", folder, "--task", "last-letter", "--generate", "8", "--limit", "4",
                "--output", temp.resolve("run")), "--limit: 4 without --data");
    }

    @ParameterizedTest
    @ValueSource(strings = {"demo", "lab"})
    void noSeedsAreRefused(String command) {
        Path output = temp.resolve("run");
        for (String seeds : List.of("0", "-2")) {
            assertRefused(Run.of(command, "--seeds", seeds, "--output", output),
                    "--seeds: " + seeds + ", expected 1 to 1000");
        }
        assertFalse(Files.exists(output));
    }

    @Test
    void aRunFolderMadeWithOtherSettingsIsLeftAsItIs() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Path data = Files.writeString(temp.resolve("data.jsonl"),
                "{\"prompt\":\"a\",\"completion\":\"b\"}\n".repeat(4));
        Path output = temp.resolve("run");
        Run first = Run.of("finetune", "--model", folder, "--data", data, "--output", output, "--max-steps", "2",
                "--rank", "2");
        assertEquals(0, first.status(), first.err());
        Map<Path, List<Byte>> before = contents(output);
        assertRefused(Run.of("finetune", "--model", folder, "--data", data, "--output", output, "--max-steps", "2",
                "--rank", "4"), "rank");
        assertEquals(before, contents(output));
    }

    @Test
    void aFullDiskIsOneLine() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Run run = Run.of("generate", "--model", folder, "--raw", "--prompt", "ab", "--max-tokens", "2", "--output",
                "/dev/full/out");
        assertRefused(run, "/dev/full/out");
    }

    @Test
    void anOutputThatIsALinkOrAFolderIsRefusedAndKept() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Path mine = Files.writeString(temp.resolve("mine"), "mine");
        Path link = Files.createSymbolicLink(temp.resolve("link"), mine);
        for (Path output : List.of(link, folder)) {
            assertRefused(Run.of("generate", "--model", folder, "--raw", "--prompt", "ab", "--max-tokens", "2",
                    "--output", output), output + ": is a");
        }
        assertTrue(Files.isSymbolicLink(link));
        assertEquals("mine", Files.readString(mine));
    }

    private static Map<Path, List<Byte>> contents(Path folder) throws IOException {
        Map<Path, List<Byte>> contents = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).filter(f -> !f.toString().endsWith(".log")).toList()) {
                List<Byte> bytes = new ArrayList<>();
                for (byte b : Files.readAllBytes(file)) {
                    bytes.add(b);
                }
                contents.put(folder.relativize(file), bytes);
            }
        }
        return contents;
    }

    private static void cut(Path file, int by) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length + by));
    }

    private static void header(Path folder, Consumer<ByteBuffer> change) throws IOException {
        Path file = folder.resolve("model.safetensors");
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        change.accept(bytes);
        Files.write(file, bytes.array());
    }

    private static void text(Path file, String from, String to) throws IOException {
        String content = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        assertTrue(content.contains(from), from);
        Files.write(file, content.replaceFirst(Pattern.quote(from), Matcher.quoteReplacement(to))
                .getBytes(StandardCharsets.ISO_8859_1));
    }

    private static void rewrite(Path folder, Consumer<List<TensorOutput>> change) {
        try {
            List<TensorOutput> tensors = new ArrayList<>(TinyModelFolder.tensors());
            change.accept(tensors);
            Files.delete(folder.resolve("model.safetensors"));
            SafetensorsWriter.writeModel(folder, tensors, Long.MAX_VALUE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
