package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.SortedMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Control;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A run that was stopped at any point and resumed writes the same bytes as an uninterrupted run, and repeats no
 * finished work.
 */
class KillTest {
    private static final List<Control> BOTH = List.of(Control.DISTILLED_SYSTEM_1, Control.UNFILTERED);

    @TempDir(factory = MemoryFolder.class)
    Path base;

    /** Thrown to simulate the end of the process. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    @Test
    void stoppedAtEveryFifthCompletionOrStep() {
        DistillConfig<Runs.NoSettings> config = Runs.with(Runs.config(Runs.letters(5, 2), List.of(2, 2), BOTH),
                new CurationConfig(Rule.PLURALITY, 0, 0, false, 1, false, Target.ANSWER, 0, 1));
        AtomicInteger ticks = new AtomicInteger();
        Runs.run(config, base, "whole", FakeModel.with(1).ticking(ticks::incrementAndGet));
        SortedMap<String, String> whole = Runs.content(base.resolve("whole"));
        int total = ticks.get();
        // A run has 3 questions with 2 + 4 samples, 3 questions with 4 direct samples, 3 students with 4 training
        // steps, 4 arms with 2 direct questions, and an arm with 2 questions and a method of 2 steps.
        assertEquals(3 * (2 + 4) + 3 * 4 + 3 * 4 + 4 * 2 + 2 * 2, total);
        for (int stop = 0; stop < total; stop += 5) {
            String name = "stopped-" + stop;
            AtomicInteger left = new AtomicInteger(stop);
            AtomicInteger more = new AtomicInteger();
            assertThrows(Killed.class, () -> Runs.run(config, base, name, FakeModel.with(1).ticking(() -> {
                if (left.getAndDecrement() == 0) {
                    throw new Killed();
                }
            })));
            Runs.run(config, base, name, FakeModel.with(2).ticking(more::incrementAndGet));
            Runs.assertSame(whole, base.resolve(name), "stopped before tick " + stop);
            assertEquals(total - stop, more.get(), "finished work must not be repeated");
        }
    }

    /**
     * With early stopping, a resumed run must end each vote after the same answers as an uninterrupted run. The answers
     * that the killed process had drawn must not matter.
     */
    @Test
    void stoppedWhileVotesStopEarly() {
        DistillConfig<Runs.NoSettings> config = Runs.with(
                Runs.config(Runs.letters(8, 2), List.of(5), BOTH), CurationConfig.defaults());
        Runs.run(config, base, "whole", FakeModel.with(1));
        SortedMap<String, String> whole = Runs.content(base.resolve("whole"));
        for (int stop = 0; stop < 60; stop += 6) {
            String name = "stopped-" + stop;
            AtomicInteger left = new AtomicInteger(stop);
            assertThrows(Killed.class, () -> Runs.run(config, base, name, FakeModel.with(2).ticking(() -> {
                if (left.getAndDecrement() == 0) {
                    throw new Killed();
                }
            })));
            Runs.run(config, base, name, FakeModel.with(2));
            Runs.assertSame(whole, base.resolve(name), "stopped before tick " + stop);
        }
    }

    /**
     * Resumes a run in which one or two files are missing. In place of each missing file there is an unfinished
     * temporary file, as after a kill during a write.
     */
    @Test
    void stoppedBetweenFiles() throws IOException {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(5, 2), List.of(2, 2), BOTH);
        Runs.run(config, base, "whole", FakeModel.with(1));
        SortedMap<String, String> whole = Runs.content(base.resolve("whole"));
        List<List<String>> later = List.of(List.of("report.md"), List.of("report.json"),
                List.of("evaluation/distilled/scores.jsonl"), List.of("evaluation/distilled/samples.jsonl"),
                List.of("evaluation/system-1/scores.jsonl"), List.of("training.json"), List.of("train.jsonl"),
                List.of("train.jsonl", "validation.jsonl"), List.of("ledger.jsonl"),
                List.of("controls/unfiltered/train.jsonl"), List.of("controls/unfiltered/ledger.jsonl"),
                List.of("samples.jsonl"), List.of("data/test.jsonl"), List.of("data/test.jsonl", "data/pool.jsonl"));
        for (List<String> files : later) {
            for (String file : files) {
                Files.delete(base.resolve("whole").resolve(file));
                Files.writeString(base.resolve("whole").resolve(file)
                        .resolveSibling(".ingrain-0123456789abcdef.unfinished"), "{\"half");
            }
            Runs.run(config, base, "whole", FakeModel.with(2));
            Runs.assertSame(whole, base.resolve("whole"), files.toString());
        }
    }

    @Test
    void killedProcessesAtRandomMoments() throws Exception {
        Path folder = base.resolve("run");
        SortedMap<String, String> whole = wholeForked();
        Random random = new Random();
        int kills = 0;
        for (boolean ended = false; !ended; ) {
            Process process = fork(base, "run");
            ended = process.waitFor(kills < 6 ? 250 + random.nextInt(650) : 60_000, TimeUnit.MILLISECONDS);
            if (!ended) {
                process.destroyForcibly().waitFor();
                kills++;
            } else {
                assertEquals(0, process.exitValue());
            }
        }
        System.out.println("killed " + kills + " times");
        assertTrue(kills > 0, "the run is too short to be killed");
        Runs.assertSame(whole, folder, "killed " + kills + " times");
    }

    private SortedMap<String, String> wholeForked() {
        Runs.run(Forked.config(), base, "whole", FakeModel.with(1));
        return Runs.content(base.resolve("whole"));
    }

    private static Process fork(Path base, String name) throws IOException {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        return new ProcessBuilder(java.toString(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                System.getProperty("java.class.path"), Forked.class.getName(), base.toString(), name)
                .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.INHERIT).start();
    }

    /** A process that runs the pipeline slowly. */
    static final class Forked {
        private Forked() {
        }

        static DistillConfig<Runs.NoSettings> config() {
            return Runs.config(Runs.letters(25, 8), List.of(4, 2), BOTH);
        }

        public static void main(String[] args) {
            FakeModel slow = FakeModel.with(2).ticking(() -> {
                try {
                    Thread.sleep(10);
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            Path base = Path.of(args[0]);
            Runs.pipeline(config(), base, slow, new FakeTuner(slow.tick())).run(base.resolve(args[1]));
        }
    }
}
