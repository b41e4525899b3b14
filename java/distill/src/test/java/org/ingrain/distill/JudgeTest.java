package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Entry.Reason;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.JsonLines;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The model compares its own answers in pairs, and the answer that wins the most pairs is kept. */
class JudgeTest {
    private static final Pattern QUESTION = Pattern.compile("Question (\\d)");
    private static final Pattern PAIR = Pattern.compile("Assistant A's Answer]\n(.*)\n\\[The End of Assistant A's "
            + "Answer]\n\n\\[The Start of Assistant B's Answer]\n(.*)\n\\[The End");
    /** The six answers to each question. */
    private static final List<List<String>> ANSWERS = List.of(List.of("b", "a", "c", "b", "a", "b"),
            List.of("rock", "paper", "scissors", "rock", "paper", "scissors"), List.of("s", "s", "s", "s", "s", "s"),
            List.of("a", "b", "a", "b", "a", "b"), List.of("x", "y", "z", "x", "x", "x"),
            List.of("f", "e", "d", "c", "b", "a"));
    private static final List<String> CYCLE = List.of("rock", "paper", "scissors", "rock");
    private static final int SAMPLES = 36;
    private static final int JUDGEMENTS = 6 + 6 + 0 + 2 + 6 + 12;

    @TempDir(factory = MemoryFolder.class)
    Path base;

    /** Answers a request with the text that {@code says} returns. A null text means that the prompt is too long. */
    private record Fake(Function<TextRequest, String> says, AtomicInteger asked) implements Answerer {
        Fake(Function<TextRequest, String> says) {
            this(says, new AtomicInteger());
        }

        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            FakeModel.answer(first, done, 2, request -> {
                asked.incrementAndGet();
                String text = says.apply(request);
                return text == null ? new TextCompletion(request.key(), "", 0, Finish.PROMPT_TOO_LONG)
                        : new TextCompletion(request.key(), text, 3, Finish.STOP);
            });
        }
    }

    /**
     * Prefers the letter that comes first in the alphabet. For question 2, each answer loses to one of the other two.
     * For question 4, the verdict is always A. For question 5, a prompt with the answer z is too long.
     */
    private static String say(TextRequest request) {
        String prompt = request.messages().getLast().content();
        Matcher question = QUESTION.matcher(prompt);
        assertTrue(question.find(), prompt);
        int number = Integer.parseInt(question.group(1));
        Matcher pair = PAIR.matcher(prompt);
        if (!pair.find()) {
            return ANSWERS.get(number - 1).get(request.sample());
        }
        String a = pair.group(1);
        String b = pair.group(2);
        boolean first = switch (number) {
            case 2 -> CYCLE.get(CYCLE.indexOf(b) + 1).equals(a);
            case 4 -> true;
            default -> a.compareTo(b) < 0;
        };
        return number == 5 && (a + b).contains("z") ? null : first ? "[[A]]" : "[[B]]";
    }

    private DistillConfig<Runs.NoSettings> config(String judge, Target target) throws IOException {
        Path pool = Files.write(base.resolve("pool.jsonl"), IntStream.rangeClosed(1, ANSWERS.size())
                .mapToObj(i -> "{\"question\": \"Question " + i + "?\"}").toList());
        return config(QuestionConfig.of("question-answer", pool), judge, target);
    }

    private static DistillConfig<Runs.NoSettings> config(QuestionConfig data, String judge, Target target) {
        CurationConfig curation = new CurationConfig(Rule.JUDGE, 0, 0, false, 1, true, target, 0, 1, null, null,
                judge == null ? null : Methods.load("judge", judge));
        return new DistillConfig<>(data, Methods.direct(), new SampleConfig(List.of(6),
                SamplingParams.sampled(0.7, 0.9, 64, 7)), curation, new Runs.NoSettings(4),
                new EvaluateConfig(SamplingParams.greedy(64), List.of(), 1, List.of()), TeachConfig.once());
    }

    /** Runs all stages, and returns the number of texts that the model was asked for. */
    private int run(DistillConfig<Runs.NoSettings> config, String name, String from,
            Function<TextRequest, String> says) {
        Fake fake = new Fake(says);
        Runs.pipeline(config, base, fake, new FakeTuner(() -> { })).run(new Pipeline.Goal(base.resolve(name),
                StageKind.REPORT, from == null ? null : base.resolve(from), null));
        return fake.asked().get();
    }

    private List<Entry> ledger(String run) {
        return JsonLines.read(base.resolve(run).resolve("ledger.jsonl"), Entry.class);
    }

    @Test
    void theAnswerThatWinsTheMostPairs() throws IOException {
        DistillConfig<Runs.NoSettings> config = config("direct", Target.ANSWER);
        assertEquals(SAMPLES + JUDGEMENTS, run(config, "run", null, JudgeTest::say));
        List<Entry> entries = ledger("run");
        assertEquals(List.of("judged best of 3 distinct answers: 2 of 2 pairs won",
                "3 judged equal of 3 distinct answers: 1 of 2 pairs won by each", "the only distinct answer",
                "2 judged equal of 2 distinct answers: 0 of 1 pairs won by each",
                "judged best of 3 distinct answers: 1 of 2 pairs won, 2 of 3 pairs too long to judge",
                "judged best of 4 of 6 distinct answers: 3 of 3 pairs won"),
                entries.stream().map(Entry::detail).toList());
        assertEquals(List.of(Reason.JUDGED, Reason.TIE, Reason.JUDGED, Reason.TIE, Reason.JUDGED, Reason.JUDGED),
                entries.stream().map(Entry::reason).toList());
        assertEquals(List.of("a", "s", "x", "c"), entries.stream().filter(Entry::kept).map(Entry::label).toList());
        assertEquals(List.of("1", "0", "0", "3"), entries.stream().flatMap(entry -> entry.targets().stream())
                .map(Entry.TargetText::path).toList());
        List<SampleRecord> judged = JsonLines.read(base.resolve("run/selections.jsonl"), SampleRecord.class);
        assertEquals(JUDGEMENTS, judged.size());
        assertEquals(List.of("000001/0/1", "000001/0/1~1"), judged.stream().limit(2).map(SampleRecord::id).toList());
    }

    @Test
    void aStoppedRunHasTheSameBytes() throws IOException {
        DistillConfig<Runs.NoSettings> config = config("direct", Target.ANSWER);
        run(config, "run", null, JudgeTest::say);
        for (int stop : List.of(SAMPLES, SAMPLES + 1, SAMPLES + 9, SAMPLES + JUDGEMENTS - 1)) {
            AtomicInteger left = new AtomicInteger(stop);
            String name = "stopped-" + stop;
            assertThrows(IllegalStateException.class, () -> run(config, name, null, request -> {
                if (left.getAndDecrement() <= 0) {
                    throw new IllegalStateException("stopped");
                }
                return say(request);
            }));
            assertTrue(run(config, name, null, JudgeTest::say) <= SAMPLES + JUDGEMENTS - stop + 1, name);
            Runs.assertSame(Runs.content(base.resolve("run")), base.resolve(name), name);
        }
    }

    @Test
    void judgementsAreTakenOverForTheSameJudge() throws IOException {
        run(config("direct", Target.ANSWER), "run", null, JudgeTest::say);
        assertEquals(0, run(config("direct", Target.ANSWER), "same", "run", JudgeTest::say));
        assertEquals(JUDGEMENTS, run(config("cot", Target.ANSWER), "other", "run", JudgeTest::say));
    }

    /** By default, the judge scores two criteria. */
    @Test
    void judgesByCriteria() throws IOException {
        run(config(null, Target.ANSWER), "run", null, request -> {
            String prompt = request.messages().getLast().content();
            if (prompt.contains("list of up to five factors")) {
                return "1. Depth\n2. Length";
            }
            String verdict = say(request);
            return !prompt.contains("[Evaluation Criterion]") || verdict == null ? verdict
                    : verdict.equals("[[A]]") ? "4\n2" : "1\n3";
        });
        assertEquals(List.of("a", "s", "x", "c"), ledger("run").stream().filter(Entry::kept).map(Entry::label)
                .toList());
        assertEquals("judged best of 3 distinct answers: 1 of 2 pairs won, 2 of 3 pairs too long to judge",
                ledger("run").get(4).detail());
    }

    /**
     * With the target {@code answer}, two answers are equal if the task gives them equal keys. With the target
     * {@code response}, they are equal only if their texts are equal.
     */
    @Test
    void theTargetDecidesWhichAnswersAreEqual() throws IOException {
        Function<TextRequest, String> says = request -> PAIR.matcher(request.messages().getLast().content()).find()
                ? say(request) : request.sample() % 2 == 0 ? "Same" : "same";
        assertEquals(SAMPLES, run(config("direct", Target.ANSWER), "answer", null, says));
        assertEquals(SAMPLES + 2 * ANSWERS.size(), run(config("direct", Target.RESPONSE), "response", null, says));
        assertEquals("judged best of 2 distinct answers: 1 of 1 pairs won", ledger("response").getFirst().detail());
    }

    @Test
    void wrongSettings() throws IOException {
        for (String judge : List.of("bare-question", "rar-1-step", "s2a")) {
            DistillConfig<Runs.NoSettings> wrong = config(judge, Target.ANSWER);
            assertEquals("judge: " + judge + ", expected a method whose prompts for task pairwise have {response-a} "
                    + "and {response-b}", assertThrows(InputException.class, () -> Runs.check(wrong, base, "x"))
                    .getMessage());
        }
        Path pairs = Files.writeString(base.resolve("pairs.jsonl"),
                "{\"question\": \"Q?\", \"response-a\": \"a\", \"response-b\": \"b\"}\n");
        DistillConfig<Runs.NoSettings> verdicts = config(QuestionConfig.of("pairwise", pairs), "bsm", Target.ANSWER);
        assertEquals("majority: judge with task pairwise, whose answers are verdicts, expected another rule",
                assertThrows(InputException.class, () -> Runs.check(verdicts, base, "x")).getMessage());
        assertEquals("judge: bsm, expected none unless the rule is judge", assertThrows(InputException.class,
                () -> new CurationConfig(Rule.FIRST, 0, 0, false, 1, true, Target.ANSWER, 0, 1, null, null,
                        Methods.load("bsm"))).getMessage());
    }
}
