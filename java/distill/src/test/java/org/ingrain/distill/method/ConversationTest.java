package org.ingrain.distill.method;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.sample.Thoughts;
import org.ingrain.distill.task.AnswerFormat;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionAnswer;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests methods whose prompts have system messages, exemplars or several turns, and texts that contain thoughts. */
class ConversationTest {
    private static final String TASK = """
            {"name": "own", "system": "Be brief.", "exemplars": [{"question": "1 + 1?", "answer": "2"}],
             "answer": {"form": "number"}}""";
    private static final String METHOD = """
            {"name": "own", "title": "Own", "steps": [
             {"name": "restate", "variants": [{"prompt": "Restate: {question}", "samples": 1, "system": ""}]},
             {"name": "solve", "variants": [{"prompt": "Solve it.", "samples": 1, "exemplars": true, "messages": [
               {"role": "user", "content": "Q: {question}"}, {"role": "assistant", "content": "{restate}"}]}]}]}""";
    private static final Task PLAIN = new QuestionAnswer(AnswerFormat.NUMBER);

    @TempDir
    Path base;

    private Path file(String name, String text) throws IOException {
        return Files.writeString(base.resolve(name), text);
    }

    private List<TextRequest> sample(Method method, Task task, Example example, List<String> texts) {
        Plan plan = method.plan(task, new SampleConfig(List.of(), SamplingParams.greedy(9)), "test",
                new ModelState.Base());
        List<TextRequest> asked = new ArrayList<>();
        Answerer model = (first, done) -> {
            List<TextRequest> open = new ArrayList<>(first);
            while (!open.isEmpty()) {
                TextRequest request = open.removeFirst();
                asked.add(request);
                open.addAll(done.apply(new TextCompletion(request.key(), texts.get(asked.size() - 1), 3, Finish.STOP))
                        .requests());
            }
        };
        try (RunFolder run = RunFolder.open(base.resolve("run"), Manifest.of(List.of(), List.of()))) {
            new Sampling(plan, Stopping.NEVER, List.of(example), model).run(base.resolve("samples.jsonl"),
                    new Stopwatch("test", "texts", run.log(), Progress.SILENT));
        }
        return asked;
    }

    @Test
    void oneConversationServesSamplingTrainingAndEvaluation() throws IOException {
        TaskConfig config = TaskConfig.of(file("task.json", TASK).toString(), null, null, 0, null);
        Task task = config.make();
        Path rows = file("q.jsonl", "{\"question\": \"2 + 2?\"}");
        Example example = Dataset.load(new QuestionConfig(config, rows, null, 0, 0, 0, null, 1, null, null)).pool()
                .getFirst();
        List<Message> direct = List.of(Message.system("Be brief."), Message.user("1 + 1?"), Message.assistant("2"),
                Message.user("2 + 2?"));
        Plan plan = Methods.direct().plan(task, new SampleConfig(List.of(1), SamplingParams.greedy(9)), "sample",
                new ModelState.Base());
        assertEquals(direct, plan.firstPrompt(example));
        assertEquals("user: 1 + 1?\n\nassistant: 2\n\nuser: {question}", plan.steps().getFirst().words());

        Method method = Methods.load(file("method.json", METHOD).toString());
        assertEquals(List.of(Mark.UNSTATED, Mark.UNSTATED), method.marks(task));
        List<TextRequest> asked = sample(method, task, example, List.of("<think>hm</think>What is 2 + 2?", "4"));
        assertEquals(List.of(Message.user("Restate: 2 + 2?")), asked.get(0).messages());
        assertEquals(List.of(Message.system("Be brief."), Message.user("1 + 1?"), Message.assistant("2"),
                Message.user("Q: 2 + 2?"), Message.assistant("What is 2 + 2?"), Message.user("Solve it.")),
                asked.get(1).messages());
    }

    @Test
    void placeholdersOfMessagesAreChecked() throws IOException {
        Path faulty = file("method.json", METHOD.replace("{restate}", "{reframe}"));
        String said = assertThrows(InputException.class, () -> Methods.load(faulty.toString()).plan(PLAIN,
                new SampleConfig(List.of(), SamplingParams.greedy(9)), "test", new ModelState.Base())).getMessage();
        assertTrue(said.startsWith("method own, step solve: {reframe} in the prompt"), said);
        Path role = file("role.json", METHOD.replace("\"assistant\"", "\"tool\""));
        assertTrue(assertThrows(InputException.class, () -> Methods.load(role.toString())).getMessage()
                .contains("messages.role: tool, expected user or assistant"));
    }

    @Test
    void thoughtsAreNoPartOfTheAnswer() {
        Method method = Methods.load("cot");
        Example example = new Example("1", "q", null);
        assertEquals(Optional.of("5"), method.extract(PLAIN, example, "<think>The answer is 4.</think>\n\nIt is 5."));
        assertEquals(Optional.of("5"), method.extract(PLAIN, example, "so 4</think>It is 5."));
        assertEquals(Optional.empty(), method.extract(PLAIN, example, "<think>The answer is 4. But"));
        assertEquals(Optional.empty(), method.extract(PLAIN, example, "<think>a</think>It is 5. <think>or 6"));
        assertEquals(Optional.of("4"), method.extract(PLAIN, example, "The answer is 4."));
        Method own = new Method("own", "Own", null, method.steps(), null, false, null, new Thoughts("[", "]", true));
        assertEquals(Optional.empty(), own.extract(PLAIN, example, "The answer is 4."));
        assertEquals(Optional.of("5"), own.extract(PLAIN, example, "The answer is 4.] 5"));
    }

    @Test
    void nothingIsAskedAfterUnclosedThoughts() throws IOException {
        Method method = Methods.load(file("method.json", METHOD).toString());
        List<TextRequest> asked = sample(method, PLAIN, new Example("1", "2 + 2?", null), List.of("<think>hm"));
        assertEquals(1, asked.size());
        List<SampleRecord> samples = JsonLines.read(base.resolve("samples.jsonl"), SampleRecord.class);
        assertEquals(List.of(Finish.STOP, Finish.BLANK_PROMPT), samples.stream().map(SampleRecord::finish).toList());
        assertEquals(List.of(3, 0), samples.stream().map(SampleRecord::tokens).toList());
    }
}
