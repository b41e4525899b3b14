package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.sample.ImportedAnswers;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests runs whose answers are read from a file instead of being sampled by the run. */
class ImportTest {
    @TempDir(factory = MemoryFolder.class)
    Path base;

    private QuestionConfig data;

    @BeforeEach
    void questions() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (String id : List.of("a", "b", "c", "d", "e")) {
            rows.append("{\"id\": \"").append(id).append("\", \"question\": \"").append(question(id))
                    .append("\", \"answer\": \"").append(id).append("o\"}\n");
        }
        data = QuestionConfig.of("last-letter", Files.writeString(base.resolve("q.jsonl"), rows)).sizes(0, 1);
    }

    private static String question(String id) {
        return "Take the last letters of the words in \\\"Ann" + id + " Bo\\\" and concatenate them.";
    }

    private DistillConfig<Runs.NoSettings> config(String method, int most, Path file, Control... controls) {
        DistillConfig<Runs.NoSettings> c = Runs.config(data, List.of(most), List.of(controls));
        return new DistillConfig<>(data, Methods.load(method),
                new SampleConfig(List.of(most), c.sample().params()), CurationConfig.defaults(), c.train(),
                c.evaluate(), c.teach(), file);
    }

    private Path file(String name, String rows) {
        try {
            return Files.writeString(base.resolve(name), rows);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }


    /**
     * One of the five questions is held out, and its rows are ignored. The test does not depend on which question this
     * is.
     */
    @Test
    void answersOfTwoStepsGoThroughAllStages() {
        StringBuilder rows = new StringBuilder();
        for (String id : List.of("e", "d", "c", "b", "a")) {
            for (int sample = 3; sample >= 1; sample--) {
                String key = sample == 2 ? "\"question\": \"" + question(id) + "\"" : "\"id\": \"" + id + "\"";
                rows.append("{").append(key).append(", \"sample\": ").append(10 * sample)
                        .append(", \"texts\": [\"In other words ").append(sample).append("\", \"The answer is ")
                        .append(id).append(sample == 3 ? "x" : "o").append(".\"]")
                        .append(sample == 1 ? ", \"tokens\": [5, 6]" : "").append("}\n");
            }
        }
        Path file = file("answers.jsonl", rows.toString());
        DistillConfig<Runs.NoSettings> config = config("rar-2-step", 3, file, Control.UNFILTERED);
        Outcome.Done done = assertInstanceOf(Outcome.Done.class,
                Runs.run(config, base, "run", FakeModel.with(1)));
        List<SampleRecord> samples = JsonLines.read(base.resolve("run/samples.jsonl"), SampleRecord.class);
        assertEquals(4 * 3 * 2, samples.size());
        assertEquals(List.of("0", "0.0", "1", "1.0", "2", "2.0"),
                samples.subList(0, 6).stream().map(SampleRecord::path).toList());
        assertEquals("In other words 1", samples.getFirst().text());
        assertEquals(5, samples.getFirst().tokens());
        assertEquals("In other words 2".length() / 4 + 1, samples.get(2).tokens(), "counted by the tokenizer");
        assertEquals(4, done.report().ledgers().get("distilled").total().kept());
        assertEquals(4, done.report().ledgers().get("distilled").total().right());
        ImportedAnswers.Source source = done.report().imported();
        assertEquals(List.of(12, 4, 0, 3, 0), List.of(source.answers(), source.questions(), source.without(),
                source.heldOut(), source.failed()));
        assertTrue(done.report().table().contains("samples: 12 answers to 4 questions from answers.jsonl (answers, "
                + "SHA-256 " + source.sha256().substring(0, 12) + "), 3 answers to held-out questions ignored\n"));
        assertTrue(DurableFile.read(base.resolve("run/report.md")).contains("Imported samples: 12"));
        assertTrue(DurableFile.read(base.resolve("run/run.json")).contains(source.sha256()));
        Runs.run(config, base, "run", FakeModel.with(1).ticking(() -> {
            throw new AssertionError("nothing should be asked");
        }));
        DurableFile.write(base.resolve("run/imported.json"), Json.pretty(source).replace("answers.jsonl", "x"));
        assertThrows(InputException.class, () -> Runs.run(config, base, "run", FakeModel.with(1)));
    }

    @Test
    void aBatchOutputInGzip() throws IOException {
        String rows = """
                {"custom_id": "a#1", "response": {"status_code": 200, "body": {"choices": [{"index": 0, \
                "message": {"role": "assistant", "content": "It is ao."}, "finish_reason": "length"}], \
                "usage": {"completion_tokens": 9}}}, "error": null}
                {"custom_id": "a#0", "response": {"status_code": 200, "body": {"choices": [{"message": \
                {"content": "ao"}}]}}}
                {"custom_id": "b", "response": {"status_code": 200, "body": {"choices": [{"index": 1, "text": "bx"}, \
                {"index": 0, "text": "bo"}], "usage": {"completion_tokens": 4}}}}
                {"custom_id": "c", "response": {"status_code": 500, "body": {}}, "error": null}
                {"custom_id": "c", "response": null, "error": {"message": "expired"}}
                """;
        Path file = base.resolve("batch.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write(rows.getBytes(StandardCharsets.UTF_8));
        }
        assertEquals(2, ImportedAnswers.most(file));
        DistillConfig<Runs.NoSettings> config = config("direct", 2, file);
        Path test = file("t.jsonl", "{\"id\": \"t\", \"question\": \"" + question("t") + "\", \"answer\": \"to\"}\n");
        QuestionConfig tested = new QuestionConfig(data.task(), data.data(), List.of(test), 3, 0, 0, null, 1, null,
                null);
        DistillConfig<Runs.NoSettings> whole = new DistillConfig<>(tested, config.method(), config.sample(),
                new CurationConfig(Rule.FIRST, 0, 0, false, 1, true, Target.RESPONSE, 0, 1), config.train(),
                config.evaluate(), config.teach(), file);
        Outcome.Done done = assertInstanceOf(Outcome.Done.class, Runs.run(whole, base, "run", FakeModel.with(1)));
        assertEquals("batch output", done.report().imported().format());
        assertEquals(List.of(4, 2, 1, 2), List.of(done.report().imported().answers(),
                done.report().imported().questions(), done.report().imported().without(),
                done.report().imported().failed()));
        List<SampleRecord> samples = JsonLines.read(base.resolve("run/samples.jsonl"), SampleRecord.class);
        assertEquals(List.of("ao", "It is ao.", "bo", "bx", ""), samples.stream().map(SampleRecord::text).toList());
        assertEquals(9, samples.get(1).tokens());
        assertEquals(Finish.LENGTH, samples.get(1).finish());
        assertEquals(Finish.MISSING, samples.getLast().finish());
        List<Entry> entries = JsonLines.read(base.resolve("run/ledger.jsonl"), Entry.class);
        assertFalse(entries.getLast().kept());
        assertEquals(Entry.Reason.NO_ANSWER, entries.getLast().reason());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "'{\"id\": \"z\", \"text\": \"x\"}' | ' line 1: id is z, expected one of the questions, such as '",
        "'{\"question\": \"why\", \"text\": \"x\"}' | ' line 1: question is why, expected one of the questions'",
        "'{\"id\": \"a\", \"texts\": [\"x\", \"y\"]}' | ' line 1: has 2 texts, expected 1: one for each step of'",
        "'{\"id\": \"a\"}' | ' line 1: text and texts: both or neither, expected exactly one'",
        "'{\"text\": \"x\"}' | ' line 1: id and question: both or neither, expected exactly one'",
        "'{\"id\": \"a\", \"text\": \"x\", \"sample\": -2}' | ' line 1: sample is -2, expected 0 or more'",
        "'{\"id\": \"a\", \"text\": \"x\", \"tokens\": [1, 2]}' | ' line 1: tokens is [1, 2], expected a number for'",
        "'{\"id\": \"a\", \"text\": 5}' | ' line 1: text is 5, expected a string'",
        "'5' | ' line 1: expected an object with id and text, or a row of a batch output'",
        "'{\"custom_id\": \"a\", \"response\": {\"body\": {\"choices\": []}}}' | 'choices has no choice'",
        "'{\"custom_id\": \"a\", \"error\": {}}' | ': no answers, because 1 requests of the batch have failed, expect'",
        "'' | ': no answers, expected at least one'"})
    void aBadRowIsOneLine(String row, String line) {
        data = data.sizes(5, 0);
        Path file = file("bad.jsonl", row + "\n");
        DistillConfig<Runs.NoSettings> config = config("direct", 2, file);
        String said = assertThrows(InputException.class, () -> Runs.check(config, base, "run")).getMessage();
        assertTrue(said.startsWith(file.toString()) && said.contains(line), said);
    }

    @Test
    void samplesThatOccurTwiceOrAreTooMany() {
        String row = "{\"id\": \"%\", \"sample\": 3, \"text\": \"x\"}\n";
        String rows = "";
        for (String id : List.of("a", "b", "c", "d", "e")) {
            rows += row.replace("%", id);
        }
        Path twice = file("twice.jsonl", rows + rows);
        String said = assertThrows(InputException.class,
                () -> Runs.check(config("direct", 2, twice), base, "run")).getMessage();
        assertTrue(said.matches(".*twice.jsonl line \\d: sample 3 of question . is also in .*twice.jsonl line \\d, "
                + "expected each sample once"), said);
        Path many = file("many.jsonl", (rows + rows + rows).replace("\"sample\": 3, ", ""));
        String most = assertThrows(InputException.class,
                () -> Runs.check(config("direct", 2, many), base, "run")).getMessage();
        assertTrue(most.endsWith(" has 3 answers, expected at most the number of samples, 2"), most);
        assertThrows(InputException.class, () -> Runs.check(config("bsm", 2, many), base, "run"));
    }
}
