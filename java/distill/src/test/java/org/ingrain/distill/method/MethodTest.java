package org.ingrain.distill.method;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.PromptTemplate;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.CoinFlip;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Gsm8k;
import org.ingrain.distill.task.LastLetter;
import org.ingrain.distill.task.MultipleChoice;
import org.ingrain.distill.task.Pairwise;
import org.ingrain.distill.task.QuestionAnswer;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.Sycophancy;
import org.ingrain.distill.task.Task;
import org.ingrain.files.Json;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MethodTest {
    private static final SamplingParams PARAMS = SamplingParams.sampled(0.7, 0.9, 64, 0);

    @TempDir
    Path base;

    private static Plan plan(String method, String task, Integer... samples) {
        return Methods.load(method).plan(QuestionConfig.of(task, Path.of("x")).makeTask(),
                new SampleConfig(List.of(samples), PARAMS.withSeed(1)), "sample", new ModelState.Base());
    }

    @Test
    void shippedMethodsReadBackAsTheyWere() {
        for (String name : Methods.SHIPPED) {
            Method method = Methods.load(name);
            assertEquals(name, method.name());
            assertEquals(method, Json.parse(Json.line(method), Method.class, name));
        }
    }

    private static Example letters(String words) {
        String question = "Take the last letters of the words in \"" + words + "\" and concatenate them.";
        return new Example("1", question, null, new LastLetter(2).traits(question), null, List.of());
    }

    @Test
    void twoStepsDifferByTask() {
        Plan letters = plan("rar-2-step", "last-letter");
        assertEquals(List.of(8, 1), letters.steps().stream().map(Plan.PlannedStep::samples).toList());
        assertEquals(8, letters.leaves());
        Plan coins = plan("rar-2-step", "coin-flip");
        assertEquals(64, coins.leaves(), "8 samples per stage");
        assertEquals(8, plan("rar-2-step", "coin-flip", 8).leaves(), "a step without a number is sampled once");
        Example example = letters("Edgar Bob");
        assertEquals(
                "Take the last letters of the words in \"Edgar Bob\" and concatenate them. Based on the details given "
                + "in the initial"
                + " inquiry, could you kindly rephrase the question and separate these 2 words in the revised "
                        + "question? Please ensure these"
                + " 2 words remain unchanged from the original question.",
                        letters.firstPrompt(example).getFirst().content());
        assertEquals(
                "Take the last letters of the words in \"Edgar Bob Ann Lee\" and concatenate them. Based on the "
                + "details given in the initial"
                + " inquiry, could you kindly rephrase the question and separate these 4 words in the revised "
                        + "question? Please ensure these"
                + " 4 words remain unchanged from the original question.",
                        letters.firstPrompt(letters("Edgar Bob Ann Lee")).getFirst().content());
        Method method = Methods.load("rar-2-step");
        assertEquals(List.of(Mark.UNCERTAIN, Mark.UNCERTAIN), method.marks(new CoinFlip("", 2)));
        assertEquals(List.of(Mark.OURS, Mark.OURS), method.marks(new QuestionAnswer(AnswerFormat.TEXT)));
    }

    @Test
    void moreNumbersThanStepsAreRefused() {
        String said = assertThrows(InputException.class, () -> plan("direct", "coin-flip", 8, 8)).getMessage();
        assertEquals("samples: 2 numbers, but method direct has 1 step that is sampled", said);
    }

    @Test
    void severalSamplesOfAGreedyStepAreRefused() {
        String said = assertThrows(InputException.class, () -> plan("bsm", "pairwise", 8)).getMessage();
        assertEquals(
                "samples: 8 samples of step branch, method bsm, at its own temperature 0, expected 1: greedy samples "
                + "are all the same", said);
        assertEquals(1, plan("bsm", "pairwise", 1).leaves());
        SamplingParams greedy = SamplingParams.greedy(64);
        Method method = Methods.load("rar-2-step");
        for (List<Integer> samples : List.of(List.<Integer>of(), List.of(8), List.of(8, 1))) {
            said = assertThrows(InputException.class, () -> method.plan(new CoinFlip("", 2),
                    new SampleConfig(samples, greedy.withSeed(1)), "sample", new ModelState.Base())).getMessage();
            assertEquals(
                    "samples: 8 samples of step rephrase, method rar-2-step, at temperature 0, expected 1 or a higher "
                    + "temperature:"
                    + " greedy samples are all the same", said);
        }
        said = assertThrows(InputException.class, () -> method.plan(new CoinFlip("", 2),
                new SampleConfig(List.of(1, 4), greedy.withSeed(1)), "sample", new ModelState.Base())).getMessage();
        assertTrue(said.startsWith("samples: 4 samples of step answer, method rar-2-step, at temperature 0,"), said);
        assertEquals(1, method.plan(new CoinFlip("", 2), new SampleConfig(List.of(1), greedy.withSeed(1)), "sample",
                new ModelState.Base()).leaves());
    }

    /** Each shipped method is planned with the numbers of samples that its file specifies. */
    @Test
    void shippedMethodsFitTheirTasks() {
        for (String name : Methods.SHIPPED) {
            String task = name.equals("bsm") ? "pairwise" : "gsm8k";
            assertTrue(plan(name, task).leaves() >= 1, name);
        }
    }

    @Test
    void aUsersOwnFile() throws IOException {
        Path file = write("""
                {"name": "steps", "title": "Steps", "source": "mine", "answerAfter": "Therefore",
                 "steps": [{"name": "think", "variants": [{"prompt": "{question} Let's think step by step.",
                         "samples": 4,
                            "mark": "ours", "temperature": 1.0, "maxTokens": 300}]},
                           {"name": "answer", "variants": [{"prompt": "{question}\\n{think}\\n{previous}", "samples": 1,
                            "mark": "ours"}]}]}
                """);
        Method method = Methods.load(file.toString());
        Plan plan = method.plan(new QuestionAnswer(AnswerFormat.NUMBER),
                new SampleConfig(List.of(), PARAMS.withSeed(1)), "sample", new ModelState.Base());
        assertEquals(SamplingParams.sampled(1, 0.9, 300, 1), plan.steps().getFirst().params());
        assertEquals(PARAMS.withSeed(1), plan.steps().getLast().params());
        QuestionAnswer task = new QuestionAnswer(AnswerFormat.NUMBER);
        Example example = new Example("1", "q", null);
        assertEquals(Optional.of("5"), method.extract(task, example, "2 and 3. Therefore 5. "));
        assertEquals(Optional.of("5"), method.extract(task, example, "Therefore 6? No, therefore 5."),
                "the last one, whatever its case");
        assertEquals(Optional.empty(), method.extract(task, example, "2 and 3 make 5."));
    }

    @ParameterizedTest
    @ValueSource(strings = {"The answer is $18 per day, or $126 per week.", "The answer is 18. I checked it 2 times.",
            "So the answer is 18.",
        "16 - 3 - 4 = 9. 9 * 2 = 18"})
    void chainsOfThoughtGiveTheSameAnswerWithExemplarsAndWithout(String text) {
        Example example = new Example("1", "q", null);
        for (String name : List.of("cot", "cot-few-shot")) {
            assertEquals(Optional.of("18"), Methods.load(name).extract(new Gsm8k(), example, text), name);
        }
    }

    /** The task searches the text from the phrase on. The phrase marks the first number after it as the answer. */
    @Test
    void thePhraseOfAUsersFileStaysInTheText() {
        Method few = Methods.load("cot-few-shot");
        Method own = new Method("own", "Own", "mine", few.steps(), "the answer is", true, null);
        Example example = new Example("1", "q", null);
        assertEquals(Optional.of("18"), own.extract(new Gsm8k(), example,
                "The answer is $18 per day, or $126 per week."));
        assertEquals(Optional.empty(), own.extract(new Gsm8k(), example, "9 * 2 = 18"));
    }

    /**
     * A method whose texts include the reasoning is refused for a text task, because the student would be trained on
     * the reasoning.
     */
    @Test
    void wholeTextsOfMethodsThatThinkAloudAreRefused() {
        QuestionAnswer text = new QuestionAnswer(AnswerFormat.TEXT);
        for (Task task : List.of(text, new Sycophancy())) {
            for (String name : List.of("cot", "rar-1-step")) {
                String said = assertThrows(InputException.class, () -> Methods.load(name).requireAnswer(task))
                        .getMessage();
                assertEquals("method: " + name + " includes the reasoning in its text, and the answer of task "
                        + task.name() + " is the whole text; expected a method with answerAfter, or another "
                        + "task or answer format", said);
            }
            for (String name : List.of("direct", "s2a", "rar-2-step")) {
                Methods.load(name).requireAnswer(task);
            }
        }
        for (Task task : List.of(new Gsm8k(), new Pairwise(), new MultipleChoice(), new CoinFlip("", 2),
                new QuestionAnswer(AnswerFormat.NUMBER))) {
            Methods.load("cot").requireAnswer(task);
        }
        Method own = new Method("own", "Own", "mine", Methods.load("cot").steps(), "The answer is", true, null);
        own.requireAnswer(text);
        Example example = new Example("1", "q", "Paris");
        assertEquals(Optional.of("Paris."), own.extract(text, example, "Lyon is no capital, so the answer is: Paris."));
        assertTrue(text.isRight(example, own.extract(text, example, "So the answer is Paris.").orElseThrow()));
        assertEquals(Optional.empty(), own.extract(text, example, "It is Paris."));
        assertEquals(Optional.empty(), own.extract(text, example, "The answer is: "));
    }

    @Test
    void badFilesAreNamed() throws IOException {
        String step = "{\"name\": \"a\", \"variants\": [{\"prompt\": \"%s\", \"samples\": %d, \"mark\": \"ours\"}]}";
        String method = "{\"name\": \"m\", \"title\": \"M\", \"steps\": [%s]}";
        assertRefused(method.formatted(step.formatted("{question}", 0)), "samples: 0");
        assertRefused(method.formatted(""), "steps: none");
        assertRefused(method.formatted(step.formatted("q", 1) + "," + step.formatted("q", 1)), "two are named a");
        assertRefused(method.formatted(step.formatted("{question}", 1)).replace("\"m\"", "\"m\", \"colour\": 1"),
                "colour");
        assertRefused("{", "malformed JSON");
        String said = assertThrows(InputException.class, () -> Methods.load("rar-3-step")).getMessage();
        assertEquals("method: rar-3-step, expected one of " + String.join(", ", Methods.SHIPPED)
                + " or the path of a method's JSON file (did you mean rar-1-step?)", said);
    }

    @Test
    void placeholdersThatNothingFillsAreRefused() throws IOException {
        for (String other : List.of("{other}", "{previous}", "{response-a}")) {
            Path file = write(
                    "{\"name\": \"m\", \"title\": \"M\", \"steps\": [{\"name\": \"a\", \"variants\": [{\"prompt\": \""
                    + other
                    + "\", \"samples\": 1, \"mark\": \"ours\"}]}]}");
            String said = assertThrows(InputException.class, () -> plan(file.toString(), "coin-flip")).getMessage();
            assertEquals("method m, step a: " + other
                    + " in the prompt for task coin-flip, expected {question}, {previous}, an earlier"
                    + " step's name", said);
        }
    }

    @Test
    void bracesInValuesAreNotLookedAt() {
        PromptTemplate template = new PromptTemplate("{question} {x: 1} $1 {previous}");
        assertEquals("a {previous} $2 {x: 1} $1 b", template.render(
                Map.of("question", "a {previous} $2", "previous", "b")));
    }

    private Path write(String text) throws IOException {
        return Files.writeString(base.resolve("method.json"), text);
    }

    private void assertRefused(String text, String expected) throws IOException {
        Path file = write(text);
        String said = assertThrows(InputException.class, () -> Methods.load(file.toString())).getMessage();
        assertTrue(said.startsWith(file.toString()) && said.contains(expected), said);
        assertEquals(1, said.lines().count(), said);
    }
}
