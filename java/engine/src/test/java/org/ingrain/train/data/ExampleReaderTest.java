package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', textBlock = """
            {"text": "unfinished          | malformed JSON
            [1, 2]                        | expected a JSON object
            {"question": "q"}             | expected prompt and completion, messages, or text
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
