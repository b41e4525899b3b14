package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.ingrain.distill.Shared;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatasetTest {
    @TempDir
    Path base;

    @Test
    void malformedRowsAreNamedByFileAndLine() throws IOException {
        assertRefused("{\"question\": \"a\"}\n{\"question\": \"b\"\n", "line 2: malformed JSON");
        assertRefused("{\"question\": \"a\"}\n\n[1]\n", "line 3: expected a JSON object");
        assertRefused("{\"question\": \"a\"}\n{\"answer\": \"b\"}\n",
                "line 2: no question or prompt or input or inputs");
        assertRefused("{\"question\": \"a\"}\n{\"question\": {}}\n", "line 2: question is not a text");
        assertRefused("{\"question\": \"  \"}\n", "line 1: no question");
        assertRefused("{\"id\": 3, \"question\": \"a\"}\n{\"id\": 3, \"question\": \"b\"}\n",
                "line 2: id 3 is already used by");
        assertRefused("[{\"question\": \"a\"}, 5]", "row 2: expected a JSON object");
        assertRefused("[{\"question\": \"a\"}", "malformed JSON");
        assertRefused("", "empty");
        assertRefused("\n \n", "empty");
        assertRefused("[]", "empty");
    }

    @Test
    void leadingBlanksAndAByteOrderMarkAreSkipped() throws IOException {
        Path file = base.resolve("blank.json");
        String row = "{\"question\": \"a\"}\n";
        for (String rows : List.of(row + row.replace('a', 'b'), "[" + row + "," + row.replace('a', 'b') + "]")) {
            Files.writeString(file, "\ufeff" + " \n".repeat(1 << 20) + rows);
            assertEquals(List.of("a", "b"), Dataset.load(QuestionConfig.of("question-answer", file)).pool().stream()
                    .map(Example::question).toList());
        }
    }

    @Test
    void aPackedFileWithAnEndlessLineIsNamed() throws IOException {
        Path file = base.resolve("bomb.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write("{\"question\": \"a\"}\n".getBytes(StandardCharsets.UTF_8));
            for (int i = 0; i < 65; i++) {
                out.write(new byte[1 << 20]);
            }
        }
        String said = assertThrows(InputException.class,
                () -> Dataset.load(QuestionConfig.of("question-answer", file))).getMessage();
        assertEquals(file + " line 2: is longer than 67108864 bytes, expected at most that many in a line", said);
    }

    /** Ids determine seeds and the content of files, so the digits in ids must not depend on the locale. */
    @Test
    void theLocaleChangesNothing() {
        Locale before = Locale.getDefault();
        try {
            Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
            assertEquals("٣", String.format("%d", 3));
            Example example = Dataset.loadTest(new QuestionConfig(TaskConfig.of("last-letter"), null, null, 0, 0, 1,
                    null, 1, null, null)).getFirst();
            assertEquals("000001", example.id());
            assertEquals(Optional.of("ab"), TaskConfig.of("last-letter").make().extract(example, "The answer is ab."));
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void whatIsNotUtf8IsNamedByFileAndLine() throws IOException {
        Path file = base.resolve("data.jsonl");
        for (String text : List.of("{\"question\": \"a\"}\n{\"question\": \"caf\u00e9\"}\n{\"question\": \"b\"}\n",
                "[{\"question\": \"a\"},\n{\"question\": \"caf\u00e9\"}]")) {
            Files.writeString(file, text, StandardCharsets.ISO_8859_1);
            String said = assertThrows(InputException.class,
                    () -> Dataset.load(QuestionConfig.of("question-answer", file))).getMessage();
            assertEquals(file + " line 2: byte " + text.indexOf('\u00e9')
                    + " of the file is not UTF-8, expected UTF-8", said);
            Files.writeString(file, text.replace("caf", "caf\ufffd\ud83d\ude00"));
            assertEquals("caf\ufffd\ud83d\ude00\u00e9", Dataset.load(QuestionConfig.of("question-answer", file)).pool()
                    .get(1).question());
        }
    }

    /**
     * The words in quotation marks of any kind are counted. If a question has no quotation marks, the number of words
     * equals the task's setting {@code size}.
     */
    @Test
    void lettersOfWordsInOtherQuotes() throws IOException {
        Path file = base.resolve("data.jsonl");
        for (String words : List.of("'Edgar Bob'", "\u201cEdgar Bob\u201d", "\u2018Edgar Bob\u2019", "Edgar Bob")) {
            Files.writeString(file, "{\"question\": \"Take the last letters of the words in " + words
                    + " and concatenate them.\", \"answer\": \"rb\"}\n");
            Example example = Dataset.loadTest(QuestionConfig.of("last-letter", file)).getFirst();
            assertEquals(Map.of("words", "2"), example.fields());
            assertTrue(new LastLetter(2).isRight(example, "rb"));
        }
        Files.writeString(file, "{\"question\": \"Edgar Bob Ann?\", \"answer\": \"rbn\"}\n");
        String said = assertThrows(InputException.class, () -> Dataset.loadTest(QuestionConfig.of("last-letter", file)))
                .getMessage();
        assertEquals(
                file + " line 1: answer rbn, expected letters, one for each quoted word of the question; if it quotes "
                + "none, as many as the setting size", said);
        assertEquals(
                "rbn", Dataset.loadTest(new QuestionConfig(
                        new TaskConfig("last-letter", null, null, 3), file, null, 0, 0, 0, null, 1, null, null))
                .getFirst().gold());
    }

    @Test
    void missingFileAndBadAnswer() throws IOException {
        Path none = base.resolve("none.jsonl");
        String said = assertThrows(InputException.class, () -> Dataset.load(QuestionConfig.of("last-letter", none)))
                .getMessage();
        assertEquals(none + ": cannot be read: no such file", said);
        Path coins = write("[{\"inputs\": \"Q: A coin.\", \"targets\": \"perhaps\"}]");
        said = assertThrows(InputException.class, () -> Dataset.load(QuestionConfig.of("coin-flip", coins)))
                .getMessage();
        assertEquals(coins + " row 1: answer perhaps, expected yes or no", said);
    }

    @Test
    void evaluationNeedsAnswers() throws IOException {
        Path file = write("{\"question\": \"a\", \"answer\": \"b\"}\n{\"question\": \"c\"}\n{\"question\": \"d\"}\n");
        assertTrue(Dataset.load(QuestionConfig.of("question-answer", file)).test().isEmpty());
        String said = assertThrows(InputException.class,
                () -> Dataset.loadTest(QuestionConfig.of("question-answer", file))).getMessage();
        assertTrue(said.contains("row 000002 has no answer"), said);
    }

    @Test
    void aTestFileKeepsItsQuestionsOutOfThePool() throws IOException {
        Path data = write("{\"question\": \"a\"}\n{\"question\": \"b\"}\n");
        Path test = base.resolve("test.jsonl");
        Files.writeString(test, "{\"question\": \"b\", \"answer\": \"1\"}\n{\"question\": \"z\", \"answer\": \"2\"}\n");
        Dataset parted = Dataset.load(new QuestionConfig(
                TaskConfig.of("question-answer"), data, List.of(test), 0, 0, 0, null, 1, null, null));
        assertEquals(List.of("a"), parted.pool().stream().map(Example::question).toList());
        assertEquals(List.of("b", "z"), parted.test().stream().map(Example::question).toList());
        assertEquals(1, parted.dropped());
    }

    /** If there are several test files, the id of each question begins with the name of its file. */
    @Test
    void severalTestFiles() throws IOException {
        Path data = write("{\"question\": \"a\"}\n{\"question\": \"b\"}\n{\"question\": \"z\"}\n");
        String row = "{\"question\": \"%s\", \"answer\": \"1\"}\n";
        Path first = Files.writeString(base.resolve("first.jsonl"), row.formatted("b") + row.formatted("c"));
        Path second = Files.writeString(base.resolve("v2.0.jsonl"), row.formatted("z"));
        QuestionConfig config = new QuestionConfig(TaskConfig.of("question-answer"), data, List.of(first, second), 0, 0,
                0, null, 1, null, null);
        Dataset parted = Dataset.load(config);
        assertEquals(List.of("a"), parted.pool().stream().map(Example::question).toList());
        assertEquals(List.of("first/000001", "first/000002", "v2.0/000001"),
                parted.test().stream().map(Example::id).toList());
        assertEquals(List.of("first", "first", "v2.0"), parted.test().stream().map(Example::set).toList());
        assertEquals(List.of("first/000001", "v2.0/000001"),
                Dataset.load(config.sizes(0, 1)).test().stream().map(Example::id).toList(), "the first of each");
        String said = assertThrows(InputException.class, () -> Dataset.load(new QuestionConfig(
                TaskConfig.of("question-answer"), data, List.of(first, first), 0, 0, 0, null, 1, null, null)))
                .getMessage();
        assertEquals("testData: two files are named first, expected different names", said);
    }

    @Test
    void repeatedQuestionsFallOnOneSide() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            rows.append("{\"question\": \"q").append(i % 20).append("\", \"answer\": \"x\"}\n");
        }
        Dataset parted = Dataset.load(QuestionConfig.of("question-answer", write(rows.toString())).sizes(0, 10));
        List<String> held = parted.test().stream().map(Example::question).toList();
        assertTrue(parted.pool().stream().noneMatch(example -> held.contains(example.question())));
        assertEquals(40, parted.pool().size() + parted.test().size() + parted.dropped());
    }

    @Test
    void fieldsCanBeNamed() throws IOException {
        Path file = write("{\"frage\": \"a\", \"antwort\": 7}\n");
        QuestionConfig config = new QuestionConfig(new TaskConfig("question-answer", AnswerFormat.NUMBER, null, 0),
                file, null, 0, 0, 0, null, 1, "frage", "antwort");
        assertEquals(List.of(new Example("000001", "a", "7")), Dataset.loadTest(config));
    }

    @Test
    void generatesWhatItsOwnExtractionFindsRight() {
        for (String name : List.of("last-letter", "coin-flip")) {
            QuestionConfig config = new QuestionConfig(TaskConfig.of(name), null, null, 0, 20, 200, null, 3, null,
                    null);
            Task task = config.makeTask();
            Dataset data = Dataset.load(config);
            assertEquals(data, Dataset.load(config));
            assertEquals(name.equals("coin-flip") ? Map.of() : Map.of("words", "2"), data.pool().getFirst().fields());
            assertEquals(180, data.pool().size());
            List<Example> all = Stream.concat(data.pool().stream(), data.test().stream()).toList();
            assertEquals(200, all.stream().map(Example::question).distinct().count());
            assertTrue(all.stream().map(Example::gold).distinct().count() > 1);
            for (Example example : all) {
                assertTrue(task.isRight(example, task.extract(example, example.gold()).orElseThrow()));
            }
        }
    }

    /**
     * As in the paper, 600 questions have 1,200 different words. If the list of names is too short, an error is
     * reported.
     */
    @Test
    void noWordIsInTwoQuestionsThatAreMadeUp() throws IOException {
        Dataset data = Dataset.load(new QuestionConfig(
                TaskConfig.of("last-letter"), null, null, 0, 200, 600, null, 1, null, null));
        List<String> words = Stream.concat(data.pool().stream(), data.test().stream())
                .flatMap(example -> Stream.of(example.question().split("\"")[1].split(" "))).toList();
        assertEquals(1200, words.size());
        assertEquals(1200, words.stream().distinct().count());
        Path three = Files.writeString(base.resolve("three.txt"), "Ann\nBob\nKim\n");
        String said = assertThrows(InputException.class,
                () -> Dataset.load(new QuestionConfig(TaskConfig.of("last-letter"), null, null, 0, 0, 5, three, 1, null,
                        null))).getMessage();
        assertEquals("generate: names left for question 000002: 1, expected 2; each name is used once:"
                + " generate fewer questions or give more names", said);
    }

    @Test
    void aCategoryIsAValue() throws IOException {
        Path file = write(
                "{\"question\": \"a\", \"category\": [\"x\"]}\n{\"question\": \"b\", \"category\": {\"x\": 1}}\n"
                + "{\"question\": \"c\", \"category\": \"x\"}\n{\"question\": \"d\", \"category\": 3}\n{\"question\": "
                        + "\"e\", \"category\": null}\n");
        assertEquals(Arrays.asList(null, null, "x", "3", null),
                Dataset.load(QuestionConfig.of("question-answer", file)).pool().stream().map(Example::category)
                .toList());
    }

    @Test
    void wordsOfAQuestionAreCounted() throws IOException {
        Path file = write(
                "{\"question\": \"Take the last letters of the words in \\\"Ann Bob Lee Kim\\\" and concatenate "
                + "them.\"}\n"
                + "{\"question\": \"Which letters?\"}\n");
        assertEquals(List.of(Map.of("words", "4"), Map.of("words", "3")),
                Dataset.load(new QuestionConfig(new TaskConfig("last-letter", null, null, 3), file, null, 0, 0, 0, null,
                        1, null, null)).pool().stream()
                        .map(Example::fields).toList());
    }

    @Test
    void coinQuestionsAreCleanedAndSuffixed() {
        CoinFlip task = new CoinFlip("Flip means reverse.", 2);
        assertEquals("A coin is heads up. Is the coin still heads up? Flip means reverse.",
                task.clean(" Q: A coin is heads up.  Is the coin still heads up? \nA:"));
    }

    @Test
    void limitTakesTheFirstRowsAndHoldsOutOfThem() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 30; i++) {
            rows.append("{\"question\": \"q").append(i).append("\", \"answer\": \"x\"}\n");
        }
        Dataset parted = Dataset.load(QuestionConfig.of("question-answer", write(rows.toString())).sizes(10, 0));
        assertEquals(8, parted.pool().size());
        assertEquals(2, parted.test().size());
        assertTrue(parted.pool().stream().allMatch(example -> example.id().compareTo("000010") <= 0));
        Path file = write(rows.toString());
        assertThrows(InputException.class, () -> Dataset.load(
                QuestionConfig.of("question-answer", file).sizes(10, 10)));
    }

    @Test
    void questionsWithoutVariantsAreShuffledOneByOne() throws IOException {
        StringBuilder rows = new StringBuilder();
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 57; i++) {
            ids.add("n" + i);
            rows.append("{\"id\": \"n").append(i).append("\", \"question\": \"q").append(i % 50)
                    .append("\", \"answer\": \"x\"}\n");
        }
        List<Example> test = Dataset.load(QuestionConfig.of("question-answer", write(rows.toString())).sizes(0, 20))
                .test();
        List<String> expected = new ArrayList<>(ids);
        Collections.shuffle(expected, new Random(1));
        expected = expected.subList(0, 20).stream().sorted(Comparator.comparingInt(ids::indexOf)).toList();
        assertEquals(expected, test.stream().map(Example::id).toList());
    }

    @Test
    void biasedAndUnbiasedTwinsStayTogether() {
        QuestionConfig config = QuestionConfig.of("multiple-choice", Shared.data("truthfulqa_suggested_answer.jsonl"));
        for (int wished : new int[] {0, 1, 400, 401}) {
            Dataset data = Dataset.load(config.sizes(0, wished));
            assertEquals(wished == 0 ? 2 * 817 / 5 : wished + wished % 2, data.test().size(), "the next whole pair");
            assertEquals(2 * 817, data.pool().size() + data.test().size());
            assertApart(data);
            assertEquals(data.test().size() / 2, data.test().stream().map(Example::group).distinct().count());
        }
    }

    /**
     * The four questions have 3, 2, 2 and 1 variants. Every tested size is the sum of some of these numbers. So the
     * test set can have exactly this size without separating the variants of a question.
     */
    @Test
    void variantsOfOneQuestionStayTogether() throws IOException {
        StringBuilder rows = new StringBuilder();
        int[] sizes = {3, 2, 2, 1};
        for (int variant = 0; variant < 3; variant++) {
            for (int question = 0; question < sizes.length; question++) {
                if (variant < sizes[question]) {
                    rows.append(sycophancy(question, "I think it is " + variant)).append('\n');
                }
            }
        }
        Path file = write(rows.toString());
        for (long seed = 1; seed <= 20; seed++) {
            for (int wished = 1; wished < 8; wished++) {
                Dataset data = Dataset.load(new QuestionConfig(
                        TaskConfig.of("sycophancy"), file, null, 0, wished, 0, null, seed, null, null));
                assertEquals(wished, data.test().size(), "seed " + seed);
                assertApart(data);
            }
        }
        Path pairs = write(List.of(0, 1, 2, 0, 1, 2).stream().map(n -> sycophancy(n, "perhaps"))
                .collect(Collectors.joining("\n")));
        assertEquals(4, Dataset.load(QuestionConfig.of("sycophancy", pairs).sizes(0, 3)).test().size(),
                "rather more than fewer");
        assertEquals(4, Dataset.load(QuestionConfig.of("sycophancy", pairs).sizes(0, 5)).test().size(), "not all");
        Path one = write(sycophancy(0, "a") + "\n" + sycophancy(0, "b") + "\n");
        String said = assertThrows(InputException.class,
                () -> Dataset.load(QuestionConfig.of("sycophancy", one).sizes(0, 1))).getMessage();
        assertEquals("testSize: 1, but the 2 questions of " + one
                + " are variants of one question, and variants can only be held out together", said);
    }

    @Test
    void aTestFileKeepsVariantsOfItsQuestionsOutOfThePool() throws IOException {
        Path data = write(sycophancy(0, "I think it is 1") + "\n" + sycophancy(1, "I think it is 1") + "\n");
        Path test = Files.writeString(base.resolve("test.jsonl"), sycophancy(1, "I think it is 2") + "\n");
        Dataset parted = Dataset.load(new QuestionConfig(
                TaskConfig.of("sycophancy"), data, List.of(test), 0, 0, 0, null, 1, null, null));
        assertEquals(List.of("question 0"), parted.pool().stream().map(Example::group).toList());
        assertEquals(1, parted.dropped());
    }

    private static String sycophancy(int question, String opinion) {
        return ("{\"prompt\": [{\"type\": \"human\", \"content\": \"question Q %s\"}], \"base\":"
                + " {\"question\": \"question Q\", \"correct_answer\": \"x\"},"
                + " \"metadata\": {\"prompt_template\": \"{question}\"}}").replace("Q", String.valueOf(question))
                        .replace("%s", opinion);
    }

    private static void assertApart(Dataset data) {
        List<String> held = data.test().stream().map(Example::group).toList();
        assertTrue(data.pool().stream().noneMatch(example -> held.contains(example.group())));
    }

    private Path write(String text) throws IOException {
        return Files.writeString(base.resolve("data.jsonl"), text);
    }

    private void assertRefused(String text, String expected) throws IOException {
        Path file = write(text);
        String said = assertThrows(InputException.class, () -> Dataset.load(QuestionConfig.of("question-answer", file)))
                .getMessage();
        assertTrue(said.startsWith(file.toString()) && said.contains(expected), said);
        assertEquals(1, said.lines().count(), said);
    }

    @Test
    void fieldsAreWrittenInOneOrder() {
        Map<String, String> fields = new LinkedHashMap<>();
        for (String name : List.of("response-b", "more", "response-a")) {
            fields.put(name, name);
        }
        Example example = new Example("1", "q", "A", fields, null, List.of());
        assertEquals(List.of("more", "response-a", "response-b"), List.copyOf(example.fields().keySet()));
    }
}
