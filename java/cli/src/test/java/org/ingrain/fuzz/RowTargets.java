package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.ImportedAnswers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.sample.SamplingParams;
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
    private static final List<String> TASKS = List.of(
            "{\"name\": \"own\", \"question\": \"What is {first} {last}?\", \"fields\": {\"gold\": \"answer\", "
                    + "\"id\": \"key\", \"category\": \"kind\", \"more\": {\"hint\": \"last\"}}, "
                    + "\"system\": \"Be brief.\", \"answer\": {\"form\": \"regex\", \"regex\": "
                    + "\"(?i)answer is:?\\\\W*(\\\\w+)\", \"group\": 1, \"match\": \"first\"}, "
                    + "\"equality\": {\"as\": \"exact\", \"aliases\": [[\"a\", \"b\"]]}}",
            "{\"name\": \"own\", \"question\": \"{first}\", \"answer\": {\"form\": \"number\"}, \"equality\": "
                    + "{\"as\": \"numeric\", \"decimals\": 2, \"tolerance\": 0.5}}",
            "{\"name\": \"own\", \"question\": \"{first}\", \"fields\": {\"options\": [\"choices\"], "
                    + "\"firstOption\": 0}, \"answer\": {\"form\": \"letter\"}}",
            "{\"name\": \"own\", \"question\": \"{first}\", \"answer\": {\"form\": \"json\", \"field\": \"a\"}, "
                    + "\"exemplars\": [{\"question\": \"q\", \"answer\": \"a\"}]}",
            "{\"name\": \"own\", \"answer\": {\"form\": \"text\", \"normalise\": false}}");
    private static final String TASK_ROWS = """
            {"key": "k", "question": "q", "first": "2", "last": "+ 2", "choices": ["3", "4"], "answer": "1", "kind": 7}
            {"key": "l", "question": "r", "first": "x", "last": "y", "choices": ["a", "b"], "answer": ["0", "2"]}
            """;
    private static final List<String> TEXTS = List.of("", "The answer is: 4.", "(B)", "{\"a\": {\"a\": 1}}",
            "1e2147483647", "-1,234.5 and 1/3", "a".repeat(40) + "!");
    private static final String ANSWERS = """
            {"id": "ID", "sample": 0, "texts": ["The answer is \\"ab\\"."], "tokens": [5]}
            {"id": "ID", "text": "The answer is \\"ab\\"."}
            {"custom_id": "ID#1", "response": {"status_code": 200, "body": {"choices": [{"index": 0, "message": \
            {"content": "ab"}, "finish_reason": "length"}, {"index": 1, "text": "b"}], "usage": \
            {"completion_tokens": 3}}}, "error": null}
            """;
    /** A Parquet file with three questions, written by PyArrow with Snappy compression. */
    private static final String PARQUET = """
            UEFSMRUAFTAVMiwVBhUAFQYVBhwAAAAYFAIAAAAGAQEGNGExAgAAAGEyAgAAAGEzFQAVgAEVggEsFQYVABUGFQYcAAAAQLACAAAABgEOAAAAV2hhdCBpcyAyICsgMj8PAAAAT8O5
            IGVzdCBQYXJpcyA/EQABJThvIGlzICJpdCI/IPCfmYIVABUqFS4sFQYVABUGFQYcAAAAFVACAAAAAwMBAAAANAYAAABGcmFuY2UVBBlMNQAYBnNjaGVtYRUGABUMJQIYAmlkJQBM
            HAAAABUMJQIYCHF1ZXN0aW9uJQBMHAAAABUMJQIYBmFuc3dlciUATBwAAAAWBhkcGTwmABwVDBklBgAZGAJpZBUCFgYWVhZYJghJHBUAFQAVAgA8FgwZBhkmAAYAAAAmABwVDBkl
            BgAZGAhxdWVzdGlvbhUCFgYWqgEWrAEmYEkcFQAVABUCADwWXBkGGSYABgAAACYAHBUMGSUGABkYBmFuc3dlchUCFgYWUBZUJowCSRwVABUAFQIAPBYOGQYZJgIEAAAAFtACFgYm
            CBbYAgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjUuMC4xGTwcAAAcAAAcAAAAGwEAAFBBUjE=
            """;

    private static final String TABLE = """
            id,question,answer,choices,category
            a,"Is 2 + 2 = 4? (A) yes (B) no",A,,sum
            b,"Take the last letters of the words in ""Ann Bo"".
            Then stop.",no,,
            """;

    static final List<Targets.Entry> ALL = List.of(
            new Targets.Entry("rows-json", (name, folder) -> questions(name, Format.JSON,
                    ROWS.stream().map(row -> ("[" + row + "]").getBytes(UTF_8)).toList(),
                    folder.resolve("data.json"))),
            new Targets.Entry("rows-jsonl", (name, folder) -> questions(name, Format.JSON_LINES,
                    Stream.concat(single().stream(), Stream.of(String.join("\n", ROWS).getBytes(UTF_8))).toList(),
                    folder.resolve("data.jsonl"))),
            new Targets.Entry("rows-gzip", (name, folder) -> questions(name, Format.GZIP,
                    single().stream().map(Format::zip).toList(), folder.resolve("data.jsonl.gz"))),
            new Targets.Entry("rows-parquet", (name, folder) -> questions(name, Format.BYTES,
                    List.of(Base64.getMimeDecoder().decode(PARQUET)), folder.resolve("data.parquet"))),
            new Targets.Entry("rows-csv", (name, folder) -> questions(name, Format.BYTES,
                    List.of(TABLE.getBytes(UTF_8)), folder.resolve("data.csv"))),
            new Targets.Entry("rows-tsv", (name, folder) -> questions(name, Format.BYTES,
                    List.of(TABLE.replace(',', '\t').getBytes(UTF_8)), folder.resolve("data.tsv"))),
            new Targets.Entry("training-rows", RowTargets::training),
            new Targets.Entry("task-file", RowTargets::taskFile),
            new Targets.Entry("imported-answers", RowTargets::imported));

    private RowTargets() {
    }

    private static List<byte[]> single() {
        return ROWS.stream().map(row -> (row + "\n").getBytes(UTF_8)).toList();
    }

    private static Target training(String name, Path folder) {
        Path file = folder.resolve("train.jsonl");
        return Target.ofFile(name, Format.JSON_LINES, List.of(TRAINING.getBytes(UTF_8)), file,
                content -> ExampleReader.read(file));
    }

    /** Reads a user's own task. The task then reads rows, and finds and compares answers. */
    private static Target taskFile(String name, Path folder) throws IOException {
        Path file = folder.resolve("task.json");
        Path rows = Files.writeString(folder.resolve("rows.jsonl"), TASK_ROWS);
        return Target.ofFile(name, Format.JSON, TASKS.stream().map(task -> task.getBytes(UTF_8)).toList(), file,
                content -> {
                    TaskConfig config = TaskConfig.of(file.toString(), null, null, 0, null);
                    Task task = config.make();
                    Dataset data = Dataset.load(new QuestionConfig(config, rows, null, 0, 0, 0, null, 0, null, null));
                    for (Example question : data.pool()) {
                        for (String text : TEXTS) {
                            task.extract(question, text).ifPresent(answer -> {
                                task.key(answer);
                                if (question.gold() != null) {
                                    task.isRight(question, answer);
                                }
                            });
                        }
                    }
                });
    }

    /** Reads answers that were sampled by another program. */
    private static Target imported(String name, Path folder) {
        Path file = folder.resolve("answers.jsonl");
        Dataset data = Dataset.load(new QuestionConfig(TaskConfig.of("last-letter"), null, null, 0, 2, 6, null, 5,
                null, null));
        SampleConfig sampling = new SampleConfig(List.of(2), SamplingParams.sampled(0.7, 0.9, 8, 1));
        Plan plan = Methods.load("rar-1-step").plan(TaskConfig.of("last-letter").make(), sampling, "sample",
                new ModelState.Base());
        String seeds = ANSWERS.replace("ID", data.pool().getFirst().id());
        return Target.ofFile(name, Format.JSON_LINES, seeds.lines().map(row -> row.getBytes(UTF_8)).toList(), file,
                content -> {
                    ImportedAnswers.most(file);
                    ImportedAnswers.read(file, data, plan).write(folder.resolve("samples.jsonl"), data.pool(), plan,
                            String::length);
                });
    }

    /** Reads the file as questions of each task. A task may refuse a file that another task accepts. */
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
