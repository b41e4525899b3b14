package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.JsonLines;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs all stages with methods that branch, and with methods in which the model selects one of its own responses. */
class BranchingPipelineTest {
    private static final Pattern QUALITY = Pattern.compile("quality (\\d)");
    private static final Pattern SAID = Pattern.compile("Response (\\d+): Paris");

    @TempDir(factory = MemoryFolder.class)
    Path base;

    /** Answers a request with the text that {@code says} returns. A null text means that the prompt is too long. */
    private record Fake(int threads, Function<TextRequest, String> says) implements Answerer {
        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            FakeModel.answer(first, done, threads, request -> {
                String text = says.apply(request);
                return text == null ? new TextCompletion(request.key(), "", 0, Finish.PROMPT_TOO_LONG)
                        : new TextCompletion(request.key(), text, text.length() / 4 + 1, Finish.STOP);
            });
        }
    }

    private Path write(String name, List<String> rows) throws IOException {
        return Files.write(base.resolve(name), rows);
    }

    private static DistillConfig<Runs.NoSettings> config(
            QuestionConfig data, String method, List<Integer> samples, CurationConfig curation) {
        EvaluateConfig evaluate = new EvaluateConfig(
                SamplingParams.greedy(64), List.of(), curation.orders(), List.of());
        return new DistillConfig<>(data, Methods.load(method),
                new SampleConfig(samples, SamplingParams.sampled(0.7, 0.9, 64, 7)), curation, new Runs.NoSettings(4),
                evaluate, TeachConfig.once());
    }

    private Outcome run(DistillConfig<Runs.NoSettings> config, String name, Answerer answerer) {
        return Runs.pipeline(config, base, answerer, new FakeTuner(() -> { })).run(base.resolve(name));
    }

    private <T> List<T> read(String file, Class<T> type) {
        return JsonLines.read(base.resolve(file), type);
    }

    /**
     * Scores each answer by the quality that the answer states. For question 3 the first answer gets the higher score;
     * for question 4 the text has no score.
     */
    private static String judge(TextRequest request) {
        String prompt = request.messages().getLast().content();
        if (prompt.contains("list of up to five factors")) {
            return "Here are two criteria:\n\n**1. Depth**\n**2. Length**";
        }
        if (!prompt.contains("[Evaluation Criterion]")) {
            return "[[A]]";
        }
        List<String> qualities = QUALITY.matcher(prompt).results().map(found -> found.group(1)).toList();
        return prompt.contains("Question 4") ? "I cannot say." : prompt.contains("Question 3")
                ? "Assistant A: 5\nAssistant B: 4"
                : "Both are good.\nAssistant A: " + qualities.get(0) + "\nAssistant B: " + qualities.get(1)
                        + "\nNote: Assistant B (1 line longer).";
    }

    @Test
    void judgesByCriteriaInBothOrders() throws IOException {
        String row =
                "{\"question\": \"Question %d?\", \"response-a\": \"quality %d\", \"response-b\": \"quality %d\", "
                + "\"winner\": \"%s\"}";
        Path pool = write("pool.jsonl", List.of(row.formatted(1, 4, 2, "A"), row.formatted(2, 1, 3, "B"),
                row.formatted(3, 2, 5, "B"), row.formatted(4, 2, 5, "B"), row.formatted(5, 3, 3, "C")));
        Path test = write("test.jsonl", List.of(row.formatted(6, 5, 1, "A"), row.formatted(7, 2, 4, "B")));
        QuestionConfig data = new QuestionConfig(QuestionConfig.of("pairwise", pool).task(), pool, List.of(test), 0, 0,
                0, null, 1, null, null);
        DistillConfig<Runs.NoSettings> config = config(
                data, "bsm", List.of(1), new CurationConfig(Rule.PLURALITY, 0, 0, false, 2, true, Target.ANSWER, 0, 1));
        Outcome.Done done = assertInstanceOf(Outcome.Done.class,
                run(config, "run", new Fake(1, BranchingPipelineTest::judge)));
        List<Entry> entries = read("run/ledger.jsonl", Entry.class);
        assertEquals(List.of("1 of 1 votes for [[A]], the same in 2 orders",
                "1 of 1 votes for [[B]], the same in 2 orders", "[[A]] as given, B in the order of 000003~1",
                "none of 1 votes has an answer, 1 of 1 are required, decided after 1 of 2",
                "1 of 1 votes for [[C]], the same in 2 orders"),
                entries.stream().map(Entry::detail).toList());
        assertEquals(List.of(true, true, false, false, true), entries.stream().map(Entry::kept).toList());
        assertEquals("2 of 2 criteria, A 8.0, B 4.0: [[A]]", entries.getFirst().answers().getFirst().text());
        List<TrainingRow> rows = read("run/train.jsonl", TrainingRow.class);
        assertEquals(List.of("[[A]]", "[[B]]", "[[B]]", "[[A]]", "[[C]]", "[[C]]"), rows.stream()
                .map(TrainingRow::completion).toList(),
                        "both orders of each kept question, with the letters of that order");
        assertEquals(2, rows.stream().filter(r -> r.prompt().getFirst().content().contains("Question 1?")).count());
        Map<String, Long> samples = read("run/samples.jsonl", SampleRecord.class).stream()
                .collect(Collectors.groupingBy(SampleRecord::id, Collectors.counting()));
        assertEquals(Map.of("000001", 3L, "000001~1", 3L, "000002", 3L, "000002~1", 3L, "000003", 3L, "000003~1", 3L,
                "000004", 3L, "000005", 3L, "000005~1", 3L), samples,
                "a plan and two criteria; if the given order has no answer, the other order is not asked");
        assertEquals(List.of(4, 4, 4), done.report().arms().stream().map(arm -> arm.answers()).toList(),
                "two questions in two orders");
        assertEquals(4, done.report().arms().get(1).right(), "System 2");
        run(config, "three", new Fake(3, BranchingPipelineTest::judge));
        Runs.assertSame(Runs.content(base.resolve("run")), base.resolve("three"), "three threads");
    }

    /**
     * Answers the prompts of S2A. For the step {@code context}, the text differs between the samples. If the prompt
     * asks for a selection among responses, the text selects response 1 for question 1, none for question 3, and the
     * last response for the others. For question 4, the result is null, because this prompt is longer than the context.
     */
    private static String answer(TextRequest request) {
        String prompt = request.messages().getLast().content();
        if (prompt.startsWith("I have generated the following responses")) {
            int responses = (int) SAID.matcher(prompt).results().count();
            return prompt.contains("Question 3?") ? "I cannot tell." : prompt.contains("Question 4?") ? null
                    : "Unlike Response 0, the most consistent response is Response "
                    + (prompt.contains("Question 1?") ? 1 : responses - 1) + ".";
        }
        if (prompt.startsWith("Given the following text by a user")) {
            return "Context " + request.sample() + ". " + prompt.substring(prompt.lastIndexOf("Question "));
        }
        Matcher context = Pattern.compile("Context (\\d)").matcher(prompt);
        return context.find() ? "Paris " + context.group(1) : "Rome";
    }

    @Test
    void aSelectorAsksForTheBest() throws IOException {
        Path pool = write("pool.jsonl", List.of("{\"question\": \"Question 1?\"}", "{\"question\": \"Question 2?\"}"));
        String judge = "{\"name\": \"judge\", \"title\": \"Judge\", \"steps\": [{\"name\": \"select\", \"variants\": "
                + "[{\"prompt\": \"%s\", \"samples\": 1, \"temperature\": 0}]}]}";
        Path file = write("judge.json", List.of(judge.formatted("Best of {responses}?")));
        Method selector = Methods.load(file.toString());
        QuestionConfig data = QuestionConfig.of("question-answer", pool);
        CurationConfig curation = new CurationConfig(Rule.UNIVERSAL, 0, 0, false, 1, true, Target.ANSWER, 0, 1, null,
                selector, null);
        run(config(data, "direct", List.of(3), curation), "run", new Fake(2, request -> {
            String prompt = request.messages().getLast().content();
            return prompt.startsWith("Best of") ? "I judge Response 2 the best" : "Text " + request.sample();
        }));
        assertEquals(List.of("Text 2", "Text 2"), read("run/ledger.jsonl", Entry.class).stream().map(Entry::label)
                .toList());
        Method faulty = Methods.load(write("faulty.json", List.of(judge.formatted("{question}"))).toString());
        CurationConfig wrong = new CurationConfig(Rule.UNIVERSAL, 0, 0, false, 1, true, Target.ANSWER, 0, 1, null,
                faulty, null);
        assertThrows(InputException.class, () -> Runs.check(config(data, "direct", List.of(3), wrong), base, "x"));
    }

    @Test
    void selectsAmongItsOwnResponses() throws IOException {
        String row = "{\"question\": \"Question %d? I think it is Rome.\", \"answer\": \"Paris\"}";
        List<String> rows = new ArrayList<>();
        for (int i = 1; i <= 4; i++) {
            rows.add(row.formatted(i));
        }
        Path pool = write("pool.jsonl", rows);
        Path test = write("test.jsonl", List.of(row.formatted(5)));
        QuestionConfig data = new QuestionConfig(QuestionConfig.of("sycophancy", pool).task(), pool, List.of(test), 0,
                0, 0, null, 1, null, null);
        DistillConfig<Runs.NoSettings> config = config(data, "s2a", List.of(4, 1),
                new CurationConfig(Rule.UNIVERSAL, 0, 0, false, 1, true, Target.RESPONSE, 0, 1));
        assertInstanceOf(Outcome.Done.class, run(config, "run", new Fake(1, BranchingPipelineTest::answer)));
        assertEquals(List.of("Unlike Response 0, the most consistent response is Response 1.",
                "Unlike Response 0, the most consistent response is"
                + " Response 3.", "I cannot tell.", ""), read("run/selections.jsonl", SampleRecord.class).stream()
                        .map(SampleRecord::text).toList());
        List<Entry> entries = read("run/ledger.jsonl", Entry.class);
        assertEquals(List.of(Entry.Reason.SELECTED, Entry.Reason.SELECTED, Entry.Reason.NO_SELECTION,
                Entry.Reason.PROMPT_TOO_LONG), entries.stream().map(Entry::reason).toList());
        assertEquals(List.of("1.0", "3.0"), entries.stream().flatMap(entry -> entry.targets().stream())
                .map(Entry.TargetText::path).toList());
        assertEquals(List.of("Paris 1", "Paris 3"), read("run/train.jsonl", TrainingRow.class).stream()
                .map(TrainingRow::completion).toList());
        // There are 4 questions with 8 texts each, then 4 selections. The run is stopped before each selection.
        for (int stop = 32; stop < 36; stop++) {
            AtomicInteger left = new AtomicInteger(stop);
            String name = "stopped-" + stop;
            assertThrows(IllegalStateException.class, () -> run(config, name, new Fake(2, request -> {
                if (left.getAndDecrement() <= 0) {
                    throw new IllegalStateException("stopped");
                }
                return answer(request);
            })));
            run(config, name, new Fake(2, BranchingPipelineTest::answer));
            Runs.assertSame(Runs.content(base.resolve("run")), base.resolve(name), name);
        }
    }
}
