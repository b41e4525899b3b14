package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TeacherAnswerer;
import org.ingrain.distill.remote.FakeServer;
import org.ingrain.distill.remote.RemoteAnswerer;
import org.ingrain.distill.remote.RemoteConfig;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.task.Dataset;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Tests runs in which teacher and student are different models. */
class OtherTeacherTest {
    @TempDir
    private Path base;

    private final AtomicInteger asked = new AtomicInteger();

    private static DistillConfig<Runs.NoSettings> config(List<Control> controls) {
        DistillConfig<Runs.NoSettings> own = Runs.config(Runs.letters(60, 30), List.of(1, 4), controls);
        return new DistillConfig<>(own.data(), own.method(), own.sample(), own.curation(), own.train(), own.evaluate(),
                new TeachConfig(1, 0, true));
    }

    private Pipeline pipeline(DistillConfig<?> config, String teacher, Provenance student) {
        FakeModel big = new FakeModel(0.6, 0.9, 1, 2, asked::incrementAndGet);
        FakeModel small = new FakeModel(0.05, 0.05, 0.85, 2, () -> { });
        return new Pipeline(config, Dataset.load(config.data()), student.with(new Provenance.Teacher("big",
                new TreeMap<>(Map.of("model", teacher)))), new Pipeline.Workers(
                        new TeacherAnswerer(small, big, new ModelState.Base()), new FakeTuner(() -> { })),
                Progress.SILENT);
    }

    private static ArmResult arm(Report report, String name) {
        return report.arms().stream().filter(arm -> arm.name().equals(name)).findFirst().orElseThrow();
    }

    @Test
    void theTeacherSamplesAndBothModelsAreMeasured() throws IOException {
        Report report = ((Outcome.Done) pipeline(config(List.of()), "big-1", Runs.provenance(base))
                .run(base.resolve("run"))).report();
        assertEquals(List.of("system-1", "teacher-system-1", "system-2", "distilled"),
                report.arms().stream().map(ArmResult::name).toList());
        assertTrue(arm(report, "system-1").accuracy() < 0.3, "the student");
        assertTrue(arm(report, "teacher-system-1").accuracy() > 0.4, "the teacher, asked directly");
        assertTrue(arm(report, "system-2").accuracy() > 0.7, "the teacher's System 2");
        assertTrue(arm(report, "distilled").accuracy() > 0.7, "the trained student");
        assertEquals(Role.BASELINE, arm(report, "teacher-system-1").role());
        assertTrue(report.ledgers().get("distilled").total().kept() > 20, "votes of the teacher");
        String manifest = Files.readString(base.resolve("run/run.json"));
        assertTrue(manifest.contains("\"teacher\" : \"big\"") && manifest.contains("\"model\" : \"big-1\""), manifest);
        assertTrue(manifest.contains("\"otherTeacher\" : true"), manifest);
    }

    @Test
    void aControlIsTaughtByTheTeachersDirectAnswers() {
        Report report = ((Outcome.Done) pipeline(config(List.of(Control.DISTILLED_SYSTEM_1)), "big-1",
                Runs.provenance(base)).run(base.resolve("run"))).report();
        assertTrue(report.ledgers().get("distilled-system-1").total().kept() > 10,
                report.ledgers().get("distilled-system-1").toString());
    }

    @Test
    void aFinishedRunAsksTheTeacherNoMoreAndAnotherTeacherIsRefused() {
        Path run = base.resolve("run");
        pipeline(config(List.of()), "big-1", Runs.provenance(base)).run(run);
        int before = asked.get();
        pipeline(config(List.of()), "big-1", Runs.provenance(base)).run(run);
        assertEquals(before, asked.get());
        String message = assertThrows(InputException.class, () -> pipeline(config(List.of()), "big-2",
                Runs.provenance(base)).run(run)).getMessage();
        assertTrue(message.contains("teacher.model \"big-1\", now it is \"big-2\""), message);
    }

    /** The server fails after some answers. The next process requests only the missing answers. */
    @Test
    void aRunContinuesWithTheAnswersThatAServerGaveBeforeItFailed() throws IOException {
        AtomicInteger left = new AtomicInteger(25);
        List<JsonNode> answered = Collections.synchronizedList(new ArrayList<>());
        try (FakeServer server = new FakeServer(List.of("big"), (body, n) -> {
            if (left.getAndDecrement() <= 0) {
                return FakeServer.Answer.error(503, "", "down");
            }
            answered.add(body);
            return FakeServer.Answer.text("The answer is \"ab\".", "stop", 5);
        })) {
            RemoteConfig remote = new RemoteConfig(server.url(), null, 3, 0, Duration.ofSeconds(30), 1);
            Path run = base.resolve("run");
            assertThrows(UncheckedIOException.class, () -> taughtBy(remote).run(run));
            int first = Files.readAllLines(run.resolve("samples.jsonl.log")).size();
            assertTrue(first > 15 && first <= 25, first + " answers are kept");
            left.set(Integer.MAX_VALUE);
            Report report = ((Outcome.Done) taughtBy(remote).run(run)).report();
            // When the first run failed, some answers were not in the log yet: at most one for each concurrent request.
            // Only these are requested again.
            assertTrue(answered.size() - Set.copyOf(answered).size() <= 3, answered.size() + " answers");
            assertEquals(5.0, arm(report, "teacher-system-1").tokens());
        }
    }

    private Pipeline taughtBy(RemoteConfig remote) {
        DistillConfig<Runs.NoSettings> config = config(List.of());
        FakeModel small = new FakeModel(0.05, 0.05, 0.85, 1, () -> { });
        RemoteAnswerer server = RemoteAnswerer.connect(remote, null, line -> { });
        return new Pipeline(config, Dataset.load(config.data()), Runs.provenance(base).with(new Provenance.Teacher(
                "big", server.identity())), new Pipeline.Workers(new TeacherAnswerer(small, server,
                        new ModelState.Teacher()), new FakeTuner(() -> { })), Progress.SILENT);
    }

    /** Several students can be trained on the same samples of an expensive teacher. */
    @Test
    void anotherStudentTakesOverTheTeachersTexts() throws IOException {
        pipeline(config(List.of()), "big-1", Runs.provenance(base)).run(base.resolve("run"));
        int before = asked.get();
        Path other = Files.createDirectories(base.resolve("other"));
        Files.writeString(Files.createDirectories(other.resolve("model")).resolve("config.json"), "{\"other\": 1}");
        Pipeline.Goal goal = new Pipeline.Goal(base.resolve("second"), StageKind.REPORT, base.resolve("run"), null);
        pipeline(config(List.of()), "big-1", Runs.provenance(other)).run(goal);
        assertEquals(before, asked.get());
        assertFalse(Files.readString(base.resolve("second/run.json")).equals(
                Files.readString(base.resolve("run/run.json"))));
        goal = new Pipeline.Goal(base.resolve("third"), StageKind.REPORT, base.resolve("run"), null);
        pipeline(config(List.of()), "big-1", Runs.provenance(other)).run(goal);
        Pipeline.Goal last = new Pipeline.Goal(base.resolve("fourth"), StageKind.REPORT, base.resolve("run"), null);
        assertTrue(assertThrows(InputException.class, () -> pipeline(config(List.of()), "big-2",
                Runs.provenance(other)).run(last)).getMessage().contains("nothing can be taken over"));
    }
}
