package org.ingrain.distill.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;
import org.ingrain.distill.MemoryFolder;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionAnswer;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SamplingTest {
    private static final SamplingParams PARAMS = SamplingParams.sampled(0.7, 0.9, 32, 0);
    private static final List<Example> EXAMPLES = List.of(
            new Example("b", "first \"é\" 🙂?", null), new Example("a", "second?", null));

    @TempDir(factory = MemoryFolder.class)
    Path base;
    private RunFolder run;

    @BeforeEach
    void open() {
        run = RunFolder.open(base.resolve("log"), Manifest.of(List.of(), List.of()));
    }

    @AfterEach
    void close() {
        run.close();
    }

    /**
     * Answers the requests one after another, with a text that depends on the request. Records the requests in
     * {@code asked}.
     */
    private record Echo(List<TextRequest> asked) implements Answerer {
        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            Deque<TextRequest> waiting = new ArrayDeque<>(first);
            while (!waiting.isEmpty()) {
                TextRequest request = waiting.pop();
                asked.add(request);
                String prompt = request.messages().getLast().content();
                String text = "\"é🙂\" " + request.params()
                        .seed() % 1000 + "/" + request.sample() + " " + prompt.hashCode() % 1000;
                waiting.addAll(done.apply(new TextCompletion(request.key(), text, 3, Finish.STOP)).requests());
            }
        }
    }

    private static Plan plan(Integer... samples) {
        SampleConfig config = new SampleConfig(List.of(samples), PARAMS.withSeed(1));
        return Methods.load("rar-2-step").plan(new QuestionAnswer(AnswerFormat.TEXT), config, "sample",
                new ModelState.Base());
    }

    private List<TextRequest> sample(Plan plan, Path target, Answerer answerer) {
        List<TextRequest> asked = new ArrayList<>();
        new Sampling(plan, Stopping.NEVER, EXAMPLES, answerer == null ? new Echo(asked) : answerer)
                .run(target, new Stopwatch("sample", "samples", run.log(), Progress.SILENT));
        return asked;
    }

    @Test
    void aTreeOfCompletionsSortedByExampleAndPath() {
        Path target = base.resolve("samples.jsonl");
        List<TextRequest> asked = sample(plan(2, 3), target, null);
        List<SampleRecord> samples = JsonLines.read(target, SampleRecord.class);
        assertEquals(List.of("0", "0.0", "0.1", "0.2", "1", "1.0", "1.1", "1.2"),
                samples.stream().filter(sample -> sample.id().equals("b")).map(SampleRecord::path).toList());
        assertEquals("b", samples.getFirst().id(), "in the order of the examples, not of their ids");
        assertEquals("a", samples.getLast().id());
        assertEquals(16, samples.size());
        assertFalse(Files.exists(base.resolve("samples.jsonl.log")));
        TextRequest second = asked.stream().filter(request -> request.key().equals(new SampleKey("b", "1.2")))
                .findFirst().orElseThrow();
        assertEquals(samples.stream().filter(s -> s.key().equals(new SampleKey("b", "1"))).findFirst().orElseThrow()
                .text(), second.messages().getLast().content());
        assertEquals(2, second.sample());
        assertEquals(asked.size(), asked.stream().map(request -> request.params().seed() + " " + request.sample())
                .distinct().count(), "two completions must not have the same random numbers");
    }

    /** If the machine loses power, the log on the disk may end after any byte. */
    @Test
    void aLogCutAtEachByteGivesTheSameFile() throws IOException {
        Plan plan = plan(2, 1);
        Path whole = base.resolve("whole.jsonl");
        sample(plan, whole, null);
        byte[] expected = Files.readAllBytes(whole);
        byte[] log = Files.readAllBytes(whole);
        Path target = base.resolve("cut.jsonl");
        Path cut = base.resolve("cut.jsonl.log");
        for (int length = 0; length <= log.length; length++) {
            Files.deleteIfExists(target);
            Files.write(cut, Arrays.copyOf(log, length));
            List<TextRequest> asked = sample(plan, target, null);
            assertArrayEquals(expected, Files.readAllBytes(target), "cut at byte " + length);
            long lines = new String(log, 0, length, StandardCharsets.ISO_8859_1).chars().filter(c -> c == '\n').count();
            assertEquals(8 - lines, asked.size(), "texts in complete lines of the log must not be requested again");
            assertFalse(Files.exists(cut));
        }
    }

    @Test
    void aLogWithAnotherProcesssOrderAndADamagedEnd() throws IOException {
        Plan plan = plan(3, 1);
        Path whole = base.resolve("whole.jsonl");
        sample(plan, whole, null);
        List<String> lines = Files.readAllLines(whole);
        // The log has three lines of first steps, one line of a second step, and a damaged line that ends with a line
        // break.
        String firstSteps = String.join("\n", lines.get(4), lines.get(0), lines.get(2), lines.get(1)) + "\n";
        Path target = base.resolve("other.jsonl");
        Files.writeString(base.resolve("other.jsonl.log"), firstSteps + lines.get(3).substring(0, 20) + "\0\0\0\n");
        List<TextRequest> asked = sample(plan, target, null);
        assertArrayEquals(Files.readAllBytes(whole), Files.readAllBytes(target));
        assertEquals(12 - 4, asked.size());
    }

    @Test
    void aLogDamagedInItsMiddleIsRefusedByLine() throws IOException {
        Plan plan = plan(2, 1);
        Path whole = base.resolve("whole.jsonl");
        sample(plan, whole, null);
        List<String> lines = Files.readAllLines(whole);
        Files.writeString(base.resolve("bad.jsonl.log"), lines.get(0) + "\n{broken\n" + lines.get(2) + "\n");
        String said = assertThrows(InputException.class, () -> sample(plan, base.resolve("bad.jsonl"), null))
                .getMessage();
        assertTrue(said.contains("bad.jsonl.log line 2: malformed JSON"), said);
    }

    @Test
    void aBlankRephrasingEndsItsBranchWithoutAQuestion() {
        Path target = base.resolve("blank.jsonl");
        sample(plan(2, 2), target, (first, done) -> first.forEach(request ->
                assertEquals(Answerer.Next.NOTHING, done.apply(
                        new TextCompletion(request.key(), " \n", 1, Finish.STOP)))));
        List<SampleRecord> samples = JsonLines.read(target, SampleRecord.class);
        assertEquals(12, samples.size());
        assertEquals(8, samples.stream().filter(sample -> sample.finish() == Finish.BLANK_PROMPT).count());
    }

    @Test
    void aPromptThatDoesNotFit() {
        Path target = base.resolve("long.jsonl");
        sample(plan(1, 2), target, (first, done) -> {
            for (TextRequest request : first) {
                for (TextRequest second : done.apply(new TextCompletion(request.key(), "very long", 1, Finish.LENGTH))
                        .requests()) {
                    done.apply(new TextCompletion(second.key(), "", 0, Finish.PROMPT_TOO_LONG));
                }
            }
        });
        assertEquals(4, JsonLines.read(target, SampleRecord.class).stream()
                .filter(s -> s.finish() == Finish.PROMPT_TOO_LONG).count());
        Path first = base.resolve("first.jsonl");
        List<TextRequest> follow = new ArrayList<>();
        sample(plan(1, 1), first, (asked, done) -> {
            asked.forEach(
                    request -> follow.addAll(done.apply(request.key().id().equals("b")
                            ? new TextCompletion(request.key(), "", 0, Finish.PROMPT_TOO_LONG)
                    : new TextCompletion(request.key(), "second, in other words", 1, Finish.STOP)).requests()));
            follow.forEach(request -> done.apply(new TextCompletion(request.key(), "yes", 1, Finish.STOP)));
        });
        assertEquals(List.of(new SampleKey("a", "0.0")), follow.stream().map(TextRequest::key).toList(),
                "no text must be requested after a prompt that is too long");
        assertEquals(List.of(Finish.PROMPT_TOO_LONG, Finish.PROMPT_TOO_LONG, Finish.STOP, Finish.STOP),
                JsonLines.read(first, SampleRecord.class).stream().map(SampleRecord::finish).toList());
    }
}
