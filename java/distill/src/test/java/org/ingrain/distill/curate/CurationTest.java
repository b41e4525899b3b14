package org.ingrain.distill.curate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.distill.curate.Entry.Reason;
import org.ingrain.distill.curate.Entry.Verdict;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.method.UniversalSelfConsistency.Selection;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.CoinFlip;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionAnswer;
import org.ingrain.distill.task.Task;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.sample.SamplingParams;
import org.ingrain.distill.verify.VerifierConfig;
import org.ingrain.distill.verify.Verdicts;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CurationTest {
    private static final Example COIN = new Example("1", "A coin is heads up. Is the coin still heads up?", "yes");

    private static Entry judge(CurationConfig config, String... texts) {
        return judge(config, Selection.NONE, texts);
    }

    private static Entry judge(CurationConfig config, Selection selection, String... texts) {
        List<SampleRecord> samples = new ArrayList<>();
        for (int i = 0; i < texts.length; i++) {
            samples.add(new SampleRecord("1", String.valueOf(i), "answer", texts[i], 2, Finish.STOP));
        }
        Plan plan = plan(texts.length);
        return new Curation(config, new CoinFlip("", 2), Methods.direct(), plan)
                .judge(List.of(new Curation.Asked(COIN, new Answers(samples))), selection);
    }

    private static Plan plan(int samples) {
        SampleConfig sampling = new SampleConfig(List.of(samples), SamplingParams.sampled(1, 1, 8, 1));
        return Methods.direct().plan(new CoinFlip("", 2), sampling, "sample", new ModelState.Base());
    }

    private static List<String> texts(Entry entry) {
        return entry.targets().stream().map(Entry.TargetText::text).toList();
    }

    private static CurationConfig rule(Rule rule, int minVotes, double minFraction) {
        return new CurationConfig(rule, minVotes, minFraction, false, 1, true, Target.ANSWER, 0, 1);
    }

    private static void assertVerdict(Entry entry, Verdict verdict, Reason reason, String detail) {
        assertEquals(verdict, entry.verdict());
        assertEquals(reason, entry.reason());
        assertEquals(detail, entry.detail());
        assertEquals(verdict == Verdict.KEPT, !entry.targets().isEmpty());
    }

    @Test
    void moreThanHalfCountsSilentSamplesToo() {
        CurationConfig config = rule(Rule.MORE_THAN_HALF, 0, 0);
        Entry kept = judge(config, "Yes.", "no", "yes, it is", "YES", "who knows");
        assertVerdict(kept, Verdict.KEPT, Reason.MAJORITY, "3 of 5 votes for yes");
        assertEquals(List.of("yes"), texts(kept));
        assertEquals(2, kept.margin());
        assertEquals(true, kept.right());
        assertEquals(List.of(new Ballot.Votes("yes", 3), new Ballot.Votes("no", 1)), kept.votes());
        assertVerdict(judge(config, "yes", "yes", "who", "knows"), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "2 of 4 votes for yes, 3 of 4 are required");
        assertVerdict(judge(config, "no", "yes", "yes", "no"), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "2 of 4 votes for no, equally many for yes, 3 of 4 are required");
        assertVerdict(judge(config, "who", "knows"), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "none of 2 votes has an answer, 2 of 2 are required");
    }

    @Test
    void aQuestionThatDoesNotFit() {
        Answers none = new Answers(List.of(new SampleRecord("1", "0", "answer", "", 0, Finish.PROMPT_TOO_LONG),
                new SampleRecord("1", "1", "answer", "", 0, Finish.PROMPT_TOO_LONG)));
        for (Rule rule : Rule.values()) {
            CurationConfig config = rule != Rule.BEST ? rule(rule, 0, 0) : new CurationConfig(rule, 0, 0, false, 1,
                    true, Target.ANSWER, 0, 1, VerifierConfig.of("true", 1, 0), null, null);
            Entry entry = new Curation(config, new CoinFlip("", 2), Methods.direct(), plan(2))
                    .judge(List.of(new Curation.Asked(COIN, none)), Selection.NONE);
            assertVerdict(entry, Verdict.DISCARDED, Reason.PROMPT_TOO_LONG,
                    "its prompt does not fit into the model's context");
        }
    }

    @Test
    void targetsTooLongAreLeftOut() {
        Entry all = judge(rule(Rule.ALL, 0, 0), "no", "yes");
        assertEquals(all, all.withTargets(target -> true));
        Entry some = all.withTargets(target -> target.text().equals("yes"));
        assertVerdict(some, Verdict.KEPT, Reason.UNFILTERED,
                "not filtered, 2 of 2 samples, but 1 of 2 too long to train on");
        assertEquals(List.of("yes"), texts(some));
        Entry none = all.withTargets(target -> false);
        assertVerdict(none, Verdict.DISCARDED, Reason.EXAMPLE_TOO_LONG,
                "not filtered, 2 of 2 samples, but 2 of 2 too long to train on");
        assertNull(none.label());
        assertNull(none.right());
    }

    @Test
    void pluralityNeedsOneMoreThanTheNext() {
        CurationConfig config = rule(Rule.PLURALITY, 0, 0);
        Entry kept = judge(config, "no", "no", "yes", "who", "knows");
        assertVerdict(kept, Verdict.KEPT, Reason.PLURALITY, "2 of 5 votes for no");
        assertEquals(false, kept.right(), "a wrong label is kept, because curation does not read the gold answer");
        assertVerdict(judge(config, "no", "yes", "yes", "no"), Verdict.DISCARDED, Reason.TIE,
                "2 of 4 votes for no, equally many for yes");
    }

    /**
     * Returns the ledger entry of a question for which {@code planned} answers were planned and only {@code texts} were
     * drawn.
     */
    private static Entry early(CurationConfig config, int planned, String... texts) {
        List<SampleRecord> samples = new ArrayList<>();
        for (int i = 0; i < texts.length; i++) {
            samples.add(new SampleRecord("1", String.valueOf(i), "answer", texts[i], 2, Finish.STOP));
        }
        return new Curation(config, new CoinFlip("", 2), Methods.direct(), plan(planned))
                .judge(List.of(new Curation.Asked(COIN, new Answers(samples))), Selection.NONE);
    }

    @Test
    void statesWhatWasDrawnWhenTheVerdictWasDecidedEarly() {
        CurationConfig config = rule(Rule.MORE_THAN_HALF, 0, 0);
        Entry kept = early(config, 8, "yes", "yes", "yes", "yes", "yes");
        assertVerdict(kept, Verdict.KEPT, Reason.MAJORITY, "5 of 5 drawn votes for yes, decided after 5 of 8");
        assertEquals(List.of(true, 5, 2, 8, 8, 5), List.of(kept.decidedEarly(), kept.margin(), kept.marginAtLeast(),
                kept.voters(), kept.planned(), kept.drawn()),
                        "with three more votes for no, the result would be 5 to 3");
        Entry lost = early(config, 8, "no", "yes", "no", "yes", "hm", "hm");
        assertVerdict(lost, Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "2 of 6 drawn votes for no, equally many for yes, 5 of 8 are required, decided after 6 of 8");
        assertEquals(0, lost.marginAtLeast());
        assertVerdict(early(config, 8, "hm", "hm", "hm", "hm"), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "none of 4 drawn votes has an answer, 5 of 8 are required, decided after 4 of 8");
        Entry all = early(config, 5, "yes", "yes", "no", "no", "yes");
        assertVerdict(all, Verdict.KEPT, Reason.MAJORITY, "3 of 5 votes for yes");
        assertEquals(List.of(false, 1, 1), List.of(all.decidedEarly(), all.margin(), all.marginAtLeast()));
    }

    @Test
    void aRowWithoutALabelSaysSo() {
        String row = Json.line(judge(rule(Rule.MORE_THAN_HALF, 0, 0), "who", "knows"));
        assertTrue(row.contains("\"label\":null,\"right\":null,\"margin\":0,\"marginAtLeast\":0,"
                + "\"decidedEarly\":false,\"voters\":2,\"planned\":2,\"drawn\":2,"), row);
        assertEquals(row, Json.line(Json.parse(row, Entry.class, "row")));
    }

    @Test
    void byDefaultOneVoteIsNoPlurality() {
        CurationConfig usual = rule(Rule.PLURALITY, Rule.PLURALITY.usualMinVotes(), Rule.PLURALITY.usualMinFraction());
        String[] one = {"yes", "a", "b", "c", "d", "e", "f", "g"};
        assertVerdict(judge(usual, one), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "1 of 8 votes for yes, 2 of 8 are required");
        assertVerdict(judge(rule(Rule.PLURALITY, 1, 0), one), Verdict.KEPT, Reason.PLURALITY, "1 of 8 votes for yes");
        assertVerdict(judge(usual, "yes", "a", "b", "c", "yes", "e", "f", "no"), Verdict.KEPT, Reason.PLURALITY,
                "2 of 8 votes for yes");
        String[] twelve = {"yes", "a", "b", "c", "yes", "e", "f", "g", "h", "i", "j", "k"};
        assertVerdict(judge(usual, twelve), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "2 of 12 votes for yes, 3 of 12 are required");
        assertEquals(0, Rule.MORE_THAN_HALF.usualMinVotes());
    }

    @Test
    void thresholds() {
        assertVerdict(judge(rule(Rule.PLURALITY, 3, 0), "no", "no", "who"), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "2 of 3 votes for no, 3 of 3 are required");
        assertVerdict(judge(rule(Rule.PLURALITY, 2, 0), "no", "no", "who"), Verdict.KEPT, Reason.PLURALITY,
                "2 of 3 votes for no");
        assertVerdict(judge(rule(Rule.PLURALITY, 0, 0.7), "no", "no", "who"), Verdict.DISCARDED, Reason.TOO_FEW_VOTES,
                "2 of 3 votes for no, 3 of 3 are required");
        assertVerdict(judge(rule(Rule.PLURALITY, 0, 1), "no", "no"), Verdict.KEPT, Reason.PLURALITY,
                "2 of 2 votes for no");
    }

    @Test
    void unfilteredTakesTheFirstOrAll() {
        Entry first = judge(rule(Rule.FIRST, 0, 0), "no", "yes", "yes");
        assertVerdict(first, Verdict.KEPT, Reason.UNFILTERED, "not filtered, 1 of 1 samples");
        assertEquals(List.of("no"), texts(first));
        Entry all = judge(rule(Rule.ALL, 0, 0), "no", "who knows", "yes");
        assertEquals(List.of("no", "yes"), texts(all));
        Entry silent = judge(rule(Rule.FIRST, 0, 0), "who knows", "yes");
        assertVerdict(silent, Verdict.DISCARDED, Reason.NO_ANSWER, "no training target in the first sample");
        assertNull(silent.label());
    }

    @Test
    void theModelSelectsAResponse() {
        CurationConfig config = rule(Rule.UNIVERSAL, 0, 0);
        String[] said = {"no", "who knows", "yes"};
        Entry selected = judge(config, new Selection(Optional.of(2), true), said);
        assertVerdict(selected, Verdict.KEPT, Reason.SELECTED, "the model selected response 2 of 3");
        assertEquals(List.of("yes"), texts(selected));
        assertVerdict(judge(config, new Selection(Optional.of(1), true), said), Verdict.DISCARDED, Reason.NO_ANSWER,
                "the model selected response 1, which has no answer");
        for (Selection none : List.of(Selection.NONE, new Selection(Optional.of(3), true))) {
            assertVerdict(judge(config, none, said), Verdict.DISCARDED, Reason.NO_SELECTION,
                    "the model selected none of its 3 responses");
        }
        assertVerdict(judge(config, new Selection(Optional.empty(), false), said), Verdict.DISCARDED,
                Reason.PROMPT_TOO_LONG, "its 3 responses do not fit into the model's context, "
                + "so the model was not asked to select one");
    }

    /** Only pairs of accepted answers count. A rejected answer is not selected, even if it won all its pairs. */
    @Test
    void rejectedAnswersAreNotCompared() {
        Task task = new QuestionAnswer(AnswerFormat.NUMBER);
        Example sum = new Example("1", "How many?", null);
        List<SampleRecord> samples = Stream.of("7", "8", "9").map(text -> new SampleRecord("1",
                String.valueOf(text.charAt(0) - '7'), "answer", text, 2, Finish.STOP)).toList();
        Plan plan = Methods.direct().plan(task, new SampleConfig(List.of(3), SamplingParams.sampled(1, 1, 8, 1)),
                "sample", new ModelState.Base());
        Map<String, Judging.Judgement> judged = Map.of("1/0/1", new Judging.Judgement("B", true),
                "1/0/2", new Judging.Judgement("A", true), "1/1/2", new Judging.Judgement("A", true));
        List<Curation.Asked> asked = List.of(new Curation.Asked(sum, new Answers(samples)));
        Curation curation = new Curation(rule(Rule.JUDGE, 0, 0), task, Methods.direct(), plan).with(judged);
        Entry all = curation.judge(asked, Selection.NONE);
        assertVerdict(all, Verdict.KEPT, Reason.JUDGED, "judged best of 3 distinct answers: 2 of 2 pairs won");
        assertEquals("8", all.label());
        Map<SampleKey, org.ingrain.distill.verify.Verdict> rejected = new HashMap<>();
        for (String path : List.of("1", "2", "0")) {
            rejected.put(new SampleKey("1", path),
                    new org.ingrain.distill.verify.Verdict("1", path, false, null, null));
            Entry entry = curation.with(new Verdicts(Map.copyOf(rejected))).judge(asked, Selection.NONE);
            switch (path) {
                case "1" -> assertVerdict(entry, Verdict.KEPT, Reason.JUDGED,
                        "judged best of 2 of 3 distinct answers: 1 of 1 pairs won");
                case "2" -> assertVerdict(entry, Verdict.KEPT, Reason.JUDGED,
                        "the only distinct answer that was not rejected by the verifier");
                default -> assertVerdict(entry, Verdict.DISCARDED, Reason.REJECTED,
                        "all compared answers rejected by the verifier");
            }
        }
    }

    @Test
    void theWholeResponseCanBeTheTarget() {
        CurationConfig config = new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, true, Target.RESPONSE, 0, 1);
        assertEquals(List.of("Yes, it is."), texts(judge(config, "No.", " Yes, it is.\n", "yes")));
        CurationConfig first = config.unfiltered();
        assertEquals(List.of("who knows"), texts(judge(first, "who knows", "yes")));
    }

    @Test
    void settingsAreChecked() {
        for (Runnable wrong : List.<Runnable>of(() -> rule(Rule.PLURALITY, -1, 0), () -> rule(Rule.PLURALITY, 0, 1.5),
                () -> rule(Rule.FIRST, 2, 0), () -> new CurationConfig(
                        Rule.ALL, 0, 0, true, 1, true, Target.ANSWER, 0, 1),
                () -> new CurationConfig(Rule.ALL, 0, 0, false, 2, true, Target.ANSWER, 0, 1),
                () -> rule(null, 0, 0), () -> rule(Rule.PLURALITY, 0, Double.NaN),
                () -> new CurationConfig(Rule.ALL, 0, 0, false, 1, true, Target.ANSWER, 1, 1))) {
            assertThrows(InputException.class, wrong::run);
        }
    }

    /**
     * The division into training and validation questions comes before curation, so it does not depend on which
     * questions are kept.
     */
    @Test
    void validationRowsAreNotTrainedOn(@TempDir Path base) {
        Set<String> all = questions(rows(base, 0.25, 1).get(1));
        assertEquals(10, all.size());
        List<List<TrainingRow>> half = rows(base, 0.25, 2);
        Set<String> validation = questions(half.get(1));
        assertTrue(all.containsAll(validation), validation + " of " + all);
        assertEquals(20, half.get(0).size() + half.get(1).size());
        assertTrue(questions(half.get(0)).stream().noneMatch(all::contains));
        assertEquals(1, rows(base, 0.99, 40).get(0).size(), "the only kept question is for training");
    }

    private static Set<String> questions(List<TrainingRow> rows) {
        return rows.stream().map(row -> row.prompt().getFirst().content()).collect(Collectors.toSet());
    }

    /**
     * The training rows and the validation rows of 40 questions. Question i is kept if i is a multiple of {@code step}.
     */
    private static List<List<TrainingRow>> rows(Path base, double fraction, int step) {
        CurationConfig config = new CurationConfig(Rule.FIRST, 0, 0, false, 1, true, Target.ANSWER, fraction, 1);
        List<Entry> entries = new ArrayList<>();
        List<List<Example>> examples = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            boolean kept = i % step == 0;
            examples.add(List.of(new Example("e" + i, "q" + i, null)));
            entries.add(new Entry("e" + i, "q" + i, null, null, kept ? Verdict.KEPT : Verdict.DISCARDED,
                    Reason.UNFILTERED, "", "yes", null, 0, 0, false, 1, 1, 1, 2, List.of(), kept
                    ? List.of(new Entry.TargetText(0, "0", "yes")) : List.of(),
                    List.of(new Entry.Order("e" + i, List.of(new Ballot.Answer("0", "yes", "yes", 1, Finish.STOP,
                            List.of()))))));
        }
        Ledger ledger = new Ledger(base.resolve("ledger.jsonl"));
        JsonLines.write(ledger.file(), entries);
        ledger.writeTraining(base.resolve("train.jsonl"), base.resolve("validation.jsonl"),
                new Ledger.Rows(examples, plan(1), config, (entry, target) -> target.text()));
        assertEquals(40, ledger.summary().total().examples());
        return Stream.of("train.jsonl", "validation.jsonl")
                .map(file -> JsonLines.read(base.resolve(file), TrainingRow.class)).toList();
    }
}
