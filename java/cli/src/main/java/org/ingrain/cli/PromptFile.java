package org.ingrain.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.task.ChatRow;
import org.ingrain.distill.task.data.Rows;
import org.ingrain.files.DurableFile;
import org.ingrain.files.LineReader;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads the prompts of a file. */
final class PromptFile {
    private static final List<String> FIELDS = List.of("prompt", "question", "text");
    private static final String STANDARD = "-";

    private PromptFile() {
    }

    /**
     * A prompt.
     *
     * @param before messages before the prompt
     */
    record Prompt(String text, List<Message> before) {
        static Prompt of(String text) {
            return new Prompt(text, List.of());
        }
    }

    /**
     * Reads prompts from a file of rows or from a text file. The extension of the file name determines which it is
     * ({@link Rows#isNamed}). In a file of rows, each row has a prompt in the field prompt, question or text, or a
     * conversation in the field prompt or messages. The prompt of a conversation is the last message of the user. A
     * text file has one prompt per line.
     *
     * @param file the file; {@code -} is standard input, which has one prompt per line
     */
    static List<Prompt> read(Path file) {
        if (Rows.isNamed(file)) {
            List<Prompt> prompts = new ArrayList<>();
            Rows.forEach(file, (row, where) -> prompts.add(prompt(row, where)));
            return prompts;
        }
        boolean standard = file.toString().equals(STANDARD);
        String name = standard ? "standard input" : file.toString();
        try (InputStream in = standard ? System.in : Files.newInputStream(file)) {
            List<String> lines = LineReader.lines(in, name);
            if (lines.stream().anyMatch(line -> line.indexOf('\0') >= 0)) {
                throw new InputException(name + ": is a binary file, expected a text with one prompt per line, or a "
                        + ".json, .jsonl, .csv or .parquet file");
            }
            return lines.stream().map(Prompt::of).toList();
        } catch (IOException e) {
            throw DurableFile.unreadable(Path.of(name), e);
        }
    }

    private static Prompt prompt(JsonNode row, String where) {
        for (String field : FIELDS) {
            if (row.path(field).isString()) {
                return Prompt.of(row.path(field).asString());
            }
        }
        for (String field : List.of("prompt", ChatRow.FIELD)) {
            if (row.path(field).isArray()) {
                ChatRow chat = ChatRow.of(row.path(field), where);
                return new Prompt(chat.question(), chat.before());
            }
        }
        throw new InputException(where + ": expected a prompt in prompt, question, text or messages; the row has "
                + String.join(", ", row.propertyNames()));
    }
}
