package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tasks that a user writes as a JSON file. */
class TaskFileTest {
    private static final Example EXAMPLE = new Example("1", "q", null);

    @TempDir
    Path base;

    private Path file(String name, String text) {
        try {
            return Files.writeString(base.resolve(name), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private TaskConfig config(String json, String system) {
        return TaskConfig.of(file("task.json", json).toString(), null, null, 0, system);
    }

    private Task task(String json) {
        return config(json, null).make();
    }

    private List<Example> read(TaskConfig task, String name, String rows) {
        return Dataset.load(new QuestionConfig(task, file(name, rows), null, 0, 0, 0, null, 1, null, null)).pool();
    }

    private String refusal(Runnable work) {
        return assertThrows(InputException.class, work::run).getMessage().replace(base + "/", "");
    }

    @Test
    void csvRowsFillTheQuestion() {
        TaskConfig units = config("""
                {"name": "units", "question": "How many metres are {amount} {Unit name}? {\\"a\\": {}}",
                 "fields": {"id": "nr", "gold": "metres", "category": "Unit name", "more": {"unit": "Unit name"}},
                 "answer": {"form": "number"}}""", null);
        List<Example> read = read(units, "units.csv",
                "nr,amount,Unit name,metres\r\n7,3,\"sea, nautical\nmiles\",\"5,556\"\r\n8,2,km,\r\n\r\n"
                + "9,\"a \"\"q\"\"\",mm,1\r\n");
        assertEquals(List.of("7", "8", "9"), read.stream().map(Example::id).toList());
        assertEquals("How many metres are 3 sea, nautical\nmiles? {\"a\": {}}", read.getFirst().question());
        assertEquals("How many metres are a \"q\" mm? {\"a\": {}}", read.get(2).question());
        assertEquals("5556", read.getFirst().gold());
        assertEquals(null, read.get(1).gold());
        assertEquals("km", read.get(1).category());
        assertEquals(Map.of("unit", "km"), read.get(1).fields());
    }

    @Test
    void malformedCsvIsNamedByItsLine() {
        TaskConfig plain = TaskConfig.of("question-answer");
        assertEquals(List.of("a b"), read(plain, "x.tsv", "\ufeffquestion\tanswer\na b\tc\n").stream()
                .map(Example::question).toList());
        assertStarts("x.csv line 3: malformed CSV: Too many entries",
                refusal(() -> read(plain, "x.csv", "question,answer\na,b\nc,d,e\n")));
        assertStarts("x.csv line 3: malformed CSV: Not enough column values",
                refusal(() -> read(plain, "x.csv", "question,answer\na,b\nc\n")));
        assertTrue(refusal(() -> read(plain, "x.csv", "question,question\na,b\n")).contains("malformed CSV"));
        assertEquals("x.csv line 3: no question or prompt or input or inputs, expected the question there; "
                + "the row has answer", refusal(() -> read(plain, "x.csv", "question,answer\na,b\n,c\n")));
        assertEquals("x.csv: empty, expected at least one question", refusal(() -> read(plain, "x.csv", "question\n")));
    }

    @Test
    void theErrorNamesWhatIsThereAndWhoReadsIt() {
        assertEquals("x.jsonl line 1: no question, expected the question there; the row has body, label",
                refusal(() -> read(TaskConfig.of("gsm8k"), "x.jsonl", "{\"body\": \"b\", \"label\": 1}\n")));
        String row = """
                {"biased_question": "Q\\n(A) x\\n(B) y", "unbiased_question": "Q\\n(A) x\\n(B) y", "ground_truth": "A"}""";
        assertEquals("x.jsonl line 1: no question, expected the question there; the row has biased_question, "
                + "unbiased_question, ground_truth; task multiple-choice can read it",
                refusal(() -> read(TaskConfig.of("sycophancy"), "x.jsonl", row)));
        TaskConfig own = config("{\"name\": \"own\", \"question\": \"{body} {labels}\"}", null);
        assertEquals("x.jsonl line 1: no labels, expected the value of {labels} in the question of the task; "
                + "the row has body, label (did you mean label?)",
                refusal(() -> read(own, "x.jsonl", "{\"body\": \"b\", \"label\": 1}")));
    }

    @Test
    void conversationsAreQuestions() {
        String row = """
                {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "4"}]}""".replace("\n", " ");
        for (TaskConfig task : List.of(TaskConfig.of("question-answer"), config("{\"name\": \"own\"}", null))) {
            Example example = read(task, "x.jsonl", row).getFirst();
            assertEquals("2 + 2?", example.question());
            assertEquals("4", example.gold());
            assertEquals(List.of(Message.system("Be brief."), Message.user("Hi"), Message.assistant("Hello")),
                    example.context());
        }
        assertEquals("x.jsonl line 1: messages: no message of the role user, expected the question",
                refusal(() -> read(TaskConfig.of("question-answer"), "x.jsonl", "{\"messages\": []}")));
    }

    @Test
    void theSystemMessageOfTheSettingsComesFirst() {
        String json = "{\"name\": \"own\", \"system\": \"task\"}";
        String plain = "{\"question\": \"a\"}";
        String chat = "{\"messages\": [{\"role\": \"system\", \"content\": \"row\"}, {\"role\": \"user\", "
                + "\"content\": \"a\"}]}";
        for (String[] expected : new String[][] {{null, plain, "task"}, {null, chat, "row"}, {"flag", plain, "flag"},
                {"flag", chat, "flag"}}) {
            assertEquals(List.of(Message.system(expected[2])),
                    read(config(json, expected[0]), "x.jsonl", expected[1]).getFirst().context());
        }
        assertEquals(List.of(), read(config(json, ""), "x.jsonl", plain).getFirst().context());
        assertEquals(List.of(), read(config(json, ""), "x.jsonl", chat).getFirst().context());
        Example generated = Dataset.loadTest(new QuestionConfig(TaskConfig.of("coin-flip", null, null, 0, "flag"), null,
                null, 0, 0, 1, null, 1, null, null)).getFirst();
        assertEquals(List.of(Message.system("flag")), generated.context());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '~', nullValues = "-", value = {
        "\"regex\", \"regex\": \"(?i)answer:\\\\s*(\\\\w+)\" ~ Answer: x. Answer: y ~ y",
        "\"regex\", \"regex\": \"(?i)answer:\\\\s*(\\\\w+)\", \"match\": \"first\" ~ Answer: x. Answer: y ~ x",
        "\"regex\", \"regex\": \"(?i)answer:\\\\s*(\\\\w+)\" ~ y. ~ y",
        "\"regex\", \"regex\": \"(?i)answer:\\\\s*(\\\\w+)\" ~ it is y ~ -",
        "\"regex\", \"regex\": \"\\\\(([()]|[^)]) (\\\\w+)\", \"group\": 2 ~ (x yy ~ yy",
        "\"regex\", \"regex\": \"a+\" ~ aaa b aa ~ aa",
        "\"regex\", \"regex\": \"answer(x)?\" ~ answerx answer ~ x",
        "\"json\", \"field\": \"a\" ~ {\"a\": 1} and {\"b\": {\"a\": \" 2 \"}} {\"c\": 3} ~ 2",
        "\"json\", \"field\": \"a\" ~ {\"a\": ~ -",
        "\"json\", \"field\": \"a\" ~ 7 ~ 7",
        "\"number\" ~ The answer is 1,000.0 km ~ 1000",
        "\"yes-no\" ~ Yes, it is ~ yes",
        "\"text\" ~ The cat. ~ The cat."})
    void answersAreFound(String form, String text, String expected) {
        Task task = task("{\"name\": \"own\", \"answer\": {\"form\": " + form + "}}");
        assertEquals(Optional.ofNullable(expected), task.extract(EXAMPLE, text));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{\"as\": \"exact\"} | Ab | ab | false", "{} | Ab | ab | true", "{\"as\": \"numeric\"} | 1,000 | 1e3 | true",
        "{\"as\": \"numeric\", \"decimals\": 1} | 3.14 | 3.1 | true", "{\"as\": \"numeric\"} | 3.14 | 3.1 | false",
        "{\"as\": \"numeric\", \"tolerance\": 0.05} | 3.14 | 3.1 | true",
        "{\"as\": \"numeric\", \"tolerance\": 0.05} | 3.16 | 3.1 | false",
        "{\"as\": \"numeric\", \"tolerance\": 0.05} | pi | 3.1 | false",
        "{\"aliases\": [[\"yes\", \"y\", \"true\"]]} | Y | TRUE | true"})
    void answersAreCompared(String equality, String answer, String gold, boolean same) {
        Task task = task("{\"name\": \"own\", \"answer\": {\"form\": \"regex\", \"regex\": \".+\"}, \"equality\": "
                + equality + "}");
        assertEquals(same, task.isRight(new Example("1", "q", gold), answer));
        assertEquals(same, task.isRight(new Example("1", "q", gold), task.key(answer)));
    }

    @Test
    void aListOfRightAnswersHasAliases() {
        TaskConfig config = config("{\"name\": \"own\", \"fields\": {\"gold\": \"aliases\"}}", null);
        Example example = read(config, "x.jsonl", "{\"question\": \"q\", \"aliases\": [\"Paris\", \"City of Light\"]}")
                .getFirst();
        assertEquals("Paris", example.gold());
        assertTrue(config.make().isRight(example, "city of light"));
        assertFalse(config.make().isRight(example, "Rome"));
    }

    @Test
    void optionsBecomeLetters() {
        String own = "{\"name\": \"own\", \"fields\": {\"options\": %s, \"firstOption\": 0}, "
                + "\"answer\": {\"form\": \"letter\"}}";
        TaskConfig list = config(String.format(Locale.ROOT, own, "\"choices\""), null);
        String row = "{\"question\": \"Which?\", \"choices\": [\"x\", \"y\"], \"answer\": %s}";
        Example example = read(list, "x.jsonl", String.format(Locale.ROOT, row, 1)).getFirst();
        assertEquals("Which?\n\n(A) x\n(B) y", example.question());
        assertEquals("B", example.gold());
        assertEquals("B", read(list, "x.jsonl", String.format(Locale.ROOT, row, "\"y\"")).getFirst().gold());
        assertEquals(2, list.make().orders(example, 9).size());
        assertEquals(Optional.of("B"), list.make().extract(example, "I choose (B)."));
        assertEquals("multiple-choice", list.make().prompts());
        TaskConfig columns = config(String.format(Locale.ROOT, own, "[\"a\", \"b\"]"), null);
        assertEquals("Which?\n\n(A) x\n(B) y", read(columns, "x.csv", "question,a,b,answer\nWhich?,x,y,B\n").getFirst()
                .question());
        assertEquals("x.csv line 2: answer Z, expected the letter of an option",
                refusal(() -> read(columns, "x.csv", "question,a,b,answer\nWhich?,x,y,Z\n")));
    }

    @Test
    void aRegexThatBacktracksForEverIsRefused() {
        Task task = task("{\"name\": \"own\", \"answer\": {\"form\": \"regex\", \"regex\": \"(a|aa)+\\\\1b\", "
                + "\"group\": 0}}");
        assertStarts("the regular expression (a|aa)+\\1b needs too many steps on a text of 60 characters",
                refusal(() -> task.extract(EXAMPLE, "a".repeat(60))));
        Task deep = task("{\"name\": \"own\", \"answer\": {\"form\": \"regex\", \"regex\": \"(?:a|ab)*c\"}}");
        assertTrue(refusal(() -> deep.extract(EXAMPLE, "ab".repeat(200_000))).contains("needs too many steps"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{\"name\": \"gsm8k\"} | task.json: name: gsm8k, expected small letters",
        "{\"name\": \"own\", \"answer\": {}} | task.json: answer.form: missing",
        "{\"name\": \"own\", \"answer\": {\"form\": \"regex\"}} | task.json: answer.regex: missing",
        "{\"name\": \"own\", \"answer\": {\"form\": \"regex\", \"regex\": \"(a\"}} | task.json: answer.regex: (a, exp",
        "{\"name\": \"own\", \"answer\": {\"form\": \"regex\", \"regex\": \"a\", \"group\": 1}} | task.json: answer.g",
        "{\"name\": \"own\", \"answer\": {\"form\": \"text\", \"regex\": \"a\"}} | task.json: answer.regex: a, exp",
        "{\"name\": \"own\", \"equality\": {\"tolerance\": 1}} | task.json: equality.tolerance: expected none unless",
        "{\"name\": \"own\", \"fields\": {\"options\": \"x\"}} | task.json: fields.options: expected none unless",
        "{\"name\": \"own\", \"extra\": 1} | task.json: malformed JSON"})
    void faultyFilesAreRefused(String json, String expected) {
        assertStarts(expected, refusal(() -> task(json)));
    }

    private static void assertStarts(String expected, String said) {
        assertEquals(expected, said.substring(0, Math.min(expected.length(), said.length())));
    }

    @Test
    void aMistypedNameHasASuggestion() {
        assertTrue(refusal(() -> TaskConfig.of("last-leter")).endsWith("JSON file (did you mean last-letter?)"));
    }
}
