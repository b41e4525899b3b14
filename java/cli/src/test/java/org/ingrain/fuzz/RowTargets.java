package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.ExampleReader;

/** Question files of every task in every format, and training rows. */
final class RowTargets {
    private static final List<String> ROWS = List.of(
            "{\"id\": \"a\", \"question\": \"Take the last letters of the words in \\\"Ann Bo\\\".\","
                    + " \"answer\": \"no\"}",
            "{\"question\": \"A coin is heads up. Ann flips the coin. Is the coin still heads up?\","
                    + " \"answer\": \"No\"}",
            "{\"question\": \"2 + 2? (A) 3 (B) 4\", \"answer\": \"B\", \"category\": \"sum\", \"choices\": "
                    + "{\"label\": [\"A\", \"B\"], \"text\": [\"3\", \"4\"]}, \"answerKey\": \"B\"}",
            "{\"question\": \"Ann has 2 apples.\", \"answer\": \"so 1,234 #### 1234\"}",
            "{\"question\": \"Which is better?\", \"instruction\": \"Say hi\", \"response_a\": \"hi\", "
                    + "\"response_b\": \"no\", \"answer\": \"A\", \"votes\": [\"A\", \"tie\"]}",
            "{\"question_id\": 81, \"turns\": [\"Say hi\", \"Again\"], \"category\": \"writing\", \"model_a\": \"x\", "
                    + "\"model_b\": \"y\", \"winner\": \"model_a\", \"judge\": \"gpt4\", \"turn\": 1}",
            "{\"question\": \"I think it is 3. What is 2 + 2?\", \"correct\": \"4\", \"incorrect\": \"3\", "
                    + "\"answer\": \"4\", \"base\": {\"question\": \"q\", \"correct_answer\": \"a\"}, "
                    + "\"prompt_template\": \"{question}\"}",
            "{\"message_id\": \"m\", \"parent_id\": null, \"text\": \"hi\", \"role\": \"prompter\", \"lang\": \"en\", "
                    + "\"rank\": 0, \"message_tree_id\": \"m\"}");
    private static final String TRAINING = """
            {"prompt": "a", "completion": "b"}
            {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
            {"text": "a"}
            """;
    /** A Parquet file with three questions, written by PyArrow with Snappy compression. */
    private static final String PARQUET = """
            UEFSMRUAFTAVMiwVBhUAFQYVBhwAAAAYFAIAAAAGAQEGNGExAgAAAGEyAgAAAGEzFQAVgAEVggEsFQYVABUGFQYcAAAAQLACAAAABgEOAAAAV2hhdCBpcyAyICsgMj8PAAAAT8O5
            IGVzdCBQYXJpcyA/EQABJThvIGlzICJpdCI/IPCfmYIVABUqFS4sFQYVABUGFQYcAAAAFVACAAAAAwMBAAAANAYAAABGcmFuY2UVBBlMNQAYBnNjaGVtYRUGABUMJQIYAmlkJQBM
            HAAAABUMJQIYCHF1ZXN0aW9uJQBMHAAAABUMJQIYBmFuc3dlciUATBwAAAAWBhkcGTwmABwVDBklBgAZGAJpZBUCFgYWVhZYJghJHBUAFQAVAgA8FgwZBhkmAAYAAAAmABwVDBkl
            BgAZGAhxdWVzdGlvbhUCFgYWqgEWrAEmYEkcFQAVABUCADwWXBkGGSYABgAAACYAHBUMGSUGABkYBmFuc3dlchUCFgYWUBZUJowCSRwVABUAFQIAPBYOGQYZJgIEAAAAFtACFgYm
            CBbYAgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjUuMC4xGTwcAAAcAAAcAAAAGwEAAFBBUjE=
            """;

    private RowTargets() {
    }

    static List<Target> all(Path folder) throws IOException {
        Files.createDirectories(folder);
        byte[] lines = (String.join("\n", ROWS) + "\n").getBytes(UTF_8);
        List<byte[]> single = ROWS.stream().map(row -> (row + "\n").getBytes(UTF_8)).toList();
        Path training = folder.resolve("train.jsonl");
        return List.of(
                questions("rows-json", Format.JSON,
                        ROWS.stream().map(row -> ("[" + row + "]").getBytes(UTF_8)).toList(),
                        folder.resolve("data.json")),
                questions("rows-jsonl", Format.JSON_LINES, join(single, lines), folder.resolve("data.jsonl")),
                questions("rows-gzip", Format.GZIP, single.stream().map(Format::zip).toList(),
                        folder.resolve("data.jsonl.gz")),
                questions("rows-parquet", Format.BYTES, List.of(Base64.getMimeDecoder().decode(PARQUET)),
                        folder.resolve("data.parquet")),
                Target.ofFile("training-rows", Format.JSON_LINES, List.of(TRAINING.getBytes(UTF_8)), training,
                        content -> ExampleReader.read(training)));
    }

    private static List<byte[]> join(List<byte[]> many, byte[] last) {
        return Stream.concat(many.stream(), Stream.of(last)).toList();
    }

    /** Reads the file as questions of each task. One task may refuse a file that another task accepts. */
    private static Target questions(String name, Format format, List<byte[]> seeds, Path file) {
        List<QuestionConfig> configs = TaskConfig.names().stream().map(task ->
                new QuestionConfig(TaskConfig.of(task), file, null, 0, 0, 0, null, 0, null, null)).toList();
        return Target.ofFile(name, format, seeds, file, content -> {
            int refused = 0;
            for (QuestionConfig config : configs) {
                try {
                    Dataset.load(config);
                } catch (InputException e) {
                    refused++;
                }
            }
            if (refused == configs.size()) {
                throw new InputException("no task accepts the file");
            }
        });
    }
}
