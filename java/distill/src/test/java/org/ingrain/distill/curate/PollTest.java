package org.ingrain.distill.curate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.method.UniversalSelfConsistency.Selection;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionAnswer;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Compares early stopping with full sampling, for random answers. */
class PollTest {
    private static final Example EXAMPLE = new Example("1", "q", null);
    private static final QuestionAnswer TASK = new QuestionAnswer(AnswerFormat.YES_NO);
    private static final Method METHOD = Methods.load("rar-2-step");

    /**
     * Returns random answers. Each answer is yes with probability {@code sure}; otherwise it is no or a text without a
     * verdict.
     */
    private static List<String> answers(Random random, int count, double sure) {
        List<String> answers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            answers.add(random.nextDouble() < sure ? "yes" : random.nextBoolean() ? "no" : "hm");
        }
        return answers;
    }

    private static Answers.Chain chain(int number, int inner, List<String> answers) {
        String outer = String.valueOf(number / inner);
        return new Answers.Chain(outer + "." + number % inner,
                List.of(new SampleRecord("1", outer, "rephrase", "q", 1, Finish.STOP),
                        new SampleRecord("1", outer + "." + number % inner, "answer", answers.get(number), 1,
                                Finish.STOP)), List.of());
    }

    private static Answers recorded(BitSet numbers, int inner, List<String> answers) {
        List<SampleRecord> samples = new ArrayList<>();
        numbers.stream().forEach(number -> chain(number, inner, answers).steps().stream()
                .filter(step -> !samples.contains(step))
                .forEach(samples::add));
        return new Answers(samples);
    }

    /** Adds random outstanding answers until further answers cannot change the verdict. */
    private static BitSet run(Stopping.Count count, int inner, List<String> answers, Random random) {
        BitSet added = new BitSet();
        while (!count.settled()) {
            List<Integer> open = new ArrayList<>(count.open().stream().filter(i -> !added.get(i)).boxed().toList());
            assertTrue(!open.isEmpty(), "an answer must be outstanding until the verdict is decided");
            Collections.shuffle(open, random);
            added.set(open.getFirst());
            count.add(open.getFirst(), chain(open.getFirst(), inner, answers));
        }
        BitSet recorded = count.recorded();
        BitSet unheard = (BitSet) recorded.clone();
        unheard.andNot(added);
        assertTrue(unheard.isEmpty(), "every recorded answer was drawn");
        return recorded;
    }

    /**
     * Chooses a random presentation order and adds one of its outstanding answers. Repeats this until further answers
     * cannot change the verdict of any order.
     */
    private static List<BitSet> run(List<? extends Stopping.Count> counts, List<List<String>> answers, Random random) {
        List<BitSet> added = Stream.generate(BitSet::new).limit(counts.size()).toList();
        while (!counts.stream().allMatch(Stopping.Count::settled)) {
            int order = random.nextInt(counts.size());
            BitSet open = counts.get(order).open();
            open.andNot(added.get(order));
            if (!counts.get(order).settled()) {
                int[] numbers = open.stream().toArray();
                int number = numbers[random.nextInt(numbers.length)];
                added.get(order).set(number);
                counts.get(order).add(number, chain(number, 1, answers.get(order)));
            }
        }
        List<BitSet> recorded = counts.stream().map(Stopping.Count::recorded).toList();
        for (int order = 0; order < counts.size(); order++) {
            BitSet unheard = (BitSet) recorded.get(order).clone();
            unheard.andNot(added.get(order));
            assertTrue(unheard.isEmpty(), "every recorded answer was drawn");
        }
        return recorded;
    }

    /**
     * Returns the example in a presentation order; order 0 is the given order. Orders with an odd number swap yes and
     * no.
     */
    private static Example order(int number) {
        return number == 0 ? EXAMPLE : new Example("1~" + number, "q", null, Map.of(), null, List.of(),
                number % 2 == 1 ? Map.of("yes", "no", "no", "yes") : Map.of("yes", "yes", "no", "no"), EXAMPLE.id(),
                null, null, List.of());
    }

    private static List<Curation.Asked> asked(List<BitSet> recorded, List<List<String>> answers) {
        return IntStream.range(0, recorded.size())
                .mapToObj(order -> new Curation.Asked(order(order),
                        recorded(recorded.get(order), 1, answers.get(order)))).toList();
    }

    @ParameterizedTest
    @EnumSource(names = {"MORE_THAN_HALF", "PLURALITY"})
    void laterOrdersEndWithTheFirstThatDisagrees(Rule rule) {
        Random random = new Random(rule.ordinal());
        int untouched = 0;
        int kept = 0;
        for (int round = 0; round < 3000; round++) {
            int voters = 1 + random.nextInt(6);
            int orders = 1 + random.nextInt(4);
            CurationConfig config = new CurationConfig(rule, random.nextInt(voters + 1), 0, false, orders, true,
                    Target.ANSWER, 0, 1);
            SampleConfig sampling = new SampleConfig(List.of(voters), SamplingParams.sampled(1, 1, 8, 1));
            Curation curation = new Curation(config, TASK, METHOD,
                    METHOD.plan(TASK, sampling, "sample", new ModelState.Base()));
            List<List<String>> answers = new ArrayList<>();
            for (int order = 0; order < orders; order++) {
                List<String> own = answers(random, voters, 0.5 + random.nextDouble() / 2);
                answers.add(order % 2 == 0 ? own : own.stream()
                        .map(said -> said.equals("yes") ? "no" : said.equals("no") ? "yes" : said).toList());
            }
            List<Example> asked = IntStream.range(0, orders).mapToObj(PollTest::order).toList();
            List<BitSet> recorded = run(curation.stopping().begin(asked, curation.plan()), answers, random);
            for (int again = 0; again < 3; again++) {
                assertEquals(recorded, run(curation.stopping().begin(asked, curation.plan()), answers, random),
                        "the order in which answers end must not matter");
            }
            BitSet all = new BitSet();
            all.set(0, voters);
            Entry full = curation.judge(asked(Collections.nCopies(orders, all), answers), Selection.NONE);
            Entry early = curation.judge(asked(recorded, answers), Selection.NONE);
            String what = config + " " + answers + " " + recorded;
            assertEquals(full.verdict(), early.verdict(), what);
            assertEquals(full.label(), early.label(), what);
            assertEquals(full.targets(), early.targets(), what);
            assertSameBeyondTheVerdict(full, early, what);
            assertEquals(voters * orders, early.planned());
            assertTrue(!early.kept() || recorded.stream().noneMatch(BitSet::isEmpty), what);
            untouched += (int) recorded.stream().filter(BitSet::isEmpty).count();
            kept += early.kept() ? 1 : 0;
        }
        assertTrue(untouched > 500 && kept > 500, untouched + " orders without an answer, " + kept + " kept");
    }

    /**
     * Asserts that early stopping gives the same reason as full sampling, and a margin that is not larger than the
     * margin of full sampling.
     */
    private static void assertSameBeyondTheVerdict(Entry full, Entry early, String what) {
        assertEquals(full.reason(), early.reason(), what);
        assertEquals(full.voters(), early.voters(), what);
        assertEquals(full.margin(), full.marginAtLeast(), what);
        assertTrue(early.marginAtLeast() <= full.margin(), what);
        assertTrue(early.decidedEarly() || early.margin() == full.margin(), what);
        assertEquals(early.decidedEarly(), early.detail().contains(", decided after "), what);
    }

    private static void assertVerdictsEqualFullSamplings(Rule rule, boolean perStage) {
        Random random = new Random(rule.ordinal() * 2 + (perStage ? 1 : 0));
        int drawn = 0;
        int planned = 0;
        for (int round = 0; round < 3000; round++) {
            int outer = 1 + random.nextInt(8);
            int inner = 1 + random.nextInt(4);
            int most = perStage ? outer : outer * inner;
            boolean usual = most > 1 && random.nextBoolean();
            int minVotes = usual ? rule.usualMinVotes() : rule.votes() && random.nextInt(3) == 0
                    ? random.nextInt(most + 1) : 0;
            double minFraction = usual ? rule.usualMinFraction() : rule.votes() && random.nextInt(3) == 0
                    ? random.nextInt(11) / 10.0 : 0;
            CurationConfig config = new CurationConfig(rule, minVotes, minFraction, perStage, 1, true, Target.ANSWER, 0,
                    1);
            SampleConfig sampling = new SampleConfig(List.of(outer, inner), SamplingParams.sampled(1, 1, 8, 1));
            Plan plan = METHOD.plan(TASK, sampling, "sample", new ModelState.Base());
            List<String> answers = answers(random, outer * inner, random.nextDouble());
            Curation curation = new Curation(config, TASK, METHOD, plan);
            Selection selected = new Selection(Optional.of(0), true);
            BitSet all = new BitSet();
            all.set(0, outer * inner);
            Entry full = curation.judge(List.of(new Curation.Asked(EXAMPLE, recorded(all, inner, answers))), selected);
            List<Example> asked = List.of(EXAMPLE);
            BitSet recorded = run(curation.stopping().begin(asked, plan).getFirst(), inner, answers, random);
            assertEquals(recorded, run(curation.stopping().begin(asked, plan).getFirst(), inner, answers, random),
                    "the order in which answers end must not matter");
            Entry early = curation.judge(List.of(new Curation.Asked(EXAMPLE, recorded(recorded, inner, answers))),
                    selected);
            String what = config + " " + outer + "," + inner + " " + answers + " " + recorded;
            assertEquals(full.verdict(), early.verdict(), what);
            assertEquals(full.label(), early.label(), what);
            assertEquals(full.targets(), early.targets(), what);
            if (rule.votes()) {
                assertSameBeyondTheVerdict(full, early, what);
            }
            drawn += recorded.cardinality();
            planned += outer * inner;
        }
        assertTrue(!rule.votes() || drawn < planned * 0.9, drawn + " of " + planned);
        assertTrue(rule == Rule.FIRST || rule.votes() || drawn == planned);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "BEST")
    void verdictsEqualFullSamplings(Rule rule) {
        assertVerdictsEqualFullSamplings(rule, false);
    }

    @ParameterizedTest
    @EnumSource(names = {"MORE_THAN_HALF", "PLURALITY"})
    void stageByStageToo(Rule rule) {
        assertVerdictsEqualFullSamplings(rule, true);
    }
}
