package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExampleReaderTest {
    @TempDir
    Path folder;

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("rows.jsonl"), text);
    }

    @Test
    void readsTheShapesOfTrl() throws IOException {
        List<ExampleReader.Row> rows = ExampleReader.read(file("""
                {"prompt": "2 + 2 =", "completion": " 4", "id": 7}
                {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Ho"}]}

                {"prompt": [{"role": "user", "content": "Hi"}], "completion": "Ho"}
                {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "ä"}]}
                {"text": "Once upon a time"}"""));
        assertEquals(new TrainingExample.Completion("2 + 2 =", " 4"), rows.get(0).example());
        TrainingExample answer = new TrainingExample.Answer(
                List.of(Message.user("Hi")), List.of(Message.assistant("Ho")));
        assertEquals(answer, rows.get(1).example());
        assertEquals(answer, rows.get(2).example());
        assertEquals(new TrainingExample.Conversation(
                List.of(Message.system("s"), Message.user("u"), Message.assistant("ä"))), rows.get(3).example());
        assertEquals(new TrainingExample.Text("Once upon a time"), rows.get(4).example());
        assertTrue(rows.get(4).where().endsWith("rows.jsonl line 6"), rows.get(4).where());
    }

    @Test
    void readsShareGptAndAlpaca() throws IOException {
        List<ExampleReader.Row> rows = ExampleReader.read(file("""
                {"id": "a_0", "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "u"}, {"from": "gpt", "value": "ä"}]}
                {"conversations": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}
                {"instruction": "Add.", "input": "2 3", "output": "5", "text": "### Instruction: Add."}
                {"instruction": "Say hi.", "input": "", "output": "Hi"}
                {"instruction": "Say hi.", "input": null, "output": "Hi"}
                {"instruction": "Say hi.", "output": "Hi", "prompt": null}
                {"instruction": "no answer", "text": "t"}
                """));
        assertEquals(List.of(
                new TrainingExample.Conversation(
                        List.of(Message.system("s"), Message.user("u"), Message.assistant("ä"))),
                new TrainingExample.Conversation(List.of(Message.user("u"), Message.assistant("a"))),
                new TrainingExample.Answer(List.of(Message.user("Add.\n2 3")), List.of(Message.assistant("5"))),
                hi(), hi(), hi(), new TrainingExample.Text("t")),
                rows.stream().map(ExampleReader.Row::example).toList());
    }

    private static TrainingExample hi() {
        return new TrainingExample.Answer(List.of(Message.user("Say hi.")), List.of(Message.assistant("Hi")));
    }

    @Test
    void joinsPartsOfTexts() throws IOException {
        List<ExampleReader.Row> rows = ExampleReader.read(file("""
                {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]}, \
                {"role": "assistant", "content": [{"type": "text", "text": "Ho"}], "tool_calls": null}]}
                {"prompt": [{"from": "human", "value": "Hi there"}], "completion": [{"role": "assistant", "content": []}]}
                """));
        List<Message> user = List.of(Message.user("Hi there"));
        assertEquals(new TrainingExample.Conversation(List.of(user.getFirst(), Message.assistant("Ho"))),
                rows.get(0).example());
        assertEquals(new TrainingExample.Answer(user, List.of(Message.assistant(""))), rows.get(1).example());
    }

    @ParameterizedTest
    @ValueSource(strings = {"[{\"text\": \"a\"},\n {\"text\": \"b\"}]",
        "\ufeff \n[{\"text\": \"a\"}, {\"text\": \"b\"}]\n",
        "{\"text\": \"a\"}\r\n{\"text\": \"b\"}"})
    void readsArraysAndLinesAlsoPacked(String json) throws IOException {
        Path packed = folder.resolve("rows.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
            out.write(json.getBytes(StandardCharsets.UTF_8));
        }
        for (Path file : List.of(file(json), packed)) {
            assertEquals(List.of(new TrainingExample.Text("a"), new TrainingExample.Text("b")),
                    ExampleReader.read(file).stream().map(ExampleReader.Row::example).toList());
        }
    }

    @Test
    void namesTheRowOfAnArray() throws IOException {
        Path file = file("[{\"text\": \"a\"}, {\"text\": 5}]");
        assertEquals(file + " row 2: text is 5, expected a string",
                assertThrows(InputException.class, () -> ExampleReader.read(file)).getMessage());
        Path empty = file("[]");
        assertTrue(assertThrows(InputException.class, () -> ExampleReader.read(empty)).getMessage()
                .contains("has no rows"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', textBlock = """
            {"text": "unfinished          | malformed JSON
            [1, 2]                        | expected a JSON object
            {"question": "q"}             | expected prompt and completion, messages, conversations, instruction and output, or text
            {"text": "a", "text": "b"}    | malformed JSON
            {"instruction": "i", "input": "x"} | has fields [instruction, input], expected prompt and completion
            {"instruction": "i", "input": 3, "output": "o"} | input is 3, expected a string
            {"instruction": ["i"], "output": "o"} | instruction is ["i"], expected a string
            {"conversations": [{"from": "tool", "value": "v"}]} | conversations: message 1: from is 'tool', expected one of assistant, gpt, human, model, system, user
            {"conversations": [{"from": "gpt", "value": null}]} | conversations: message 1: value is null, expected a text or a list of parts
            {"conversations": [{"from": "gpt", "content": "c"}]} | message 1 is not
            {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": null}]} | messages: message 2: content is null, expected a text
            {"messages": [{"role": "assistant", "content": "c", "tool_calls": [{"id": 1}]}]} | message 1: tool_calls is set, which is not supported
            {"messages": [{"role": "user", "content": {"text": "u"}}]} | message 1: content is not a text, expected a text
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]} | message 1: content: a part has type 'image_url', expected text: other parts are not supported
            {"messages": [{"role": "user", "content": ["u"]}]} | message 1: content: a part is not
            {"messages": [{"role": "user", "content": [{"type": "text", "text": null}]}]} | message 1: content: a part is not
            {"prompt": "p"}               | completion is missing
            {"completion": "c"}           | prompt is missing
            {"prompt": "p", "completion": 4} | completion is 4, expected a string
            {"prompt": "p", "completion": ["c"]} | expected a string
            {"text": 5}                   | text is 5, expected a string
            {"messages": []}              | messages is empty
            {"messages": "m"}             | messages is not a list
            {"messages": [{"role": "user"}]} | message 1 is not
            """)
    void refusesByFileAndLine(String row, String expected) throws IOException {
        Path file = file("{\"text\": \"a row that is well\"}\n\n" + row + "\n");
        String message = assertThrows(InputException.class, () -> ExampleReader.read(file)).getMessage();
        assertTrue(message.startsWith(file + " line 3: ") && message.contains(expected) && !message.contains("\n"),
                message);
    }

    @Test
    void refusesAFileWithoutRowsAndNoFile() throws IOException {
        Path file = file("\n\n");
        assertTrue(assertThrows(InputException.class, () -> ExampleReader.read(file)).getMessage()
                .contains("has no rows"));
        Path none = folder.resolve("none.jsonl");
        assertEquals(none + ": cannot be read: no such file",
                assertThrows(InputException.class, () -> ExampleReader.read(none)).getMessage());
    }
}
