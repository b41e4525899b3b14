package org.ingrain.train;

import static org.ingrain.train.TrainingFixture.TRAIN;
import static org.ingrain.train.TrainingFixture.assertSameFiles;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.ingrain.train.data.CounterRandom;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainReport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that was killed and resumed leaves the same files as an uninterrupted run, byte for byte. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TrainerResumeTest {
    private Path folder;
    private Path undisturbed;
    private int steps;

    /** Thrown to simulate that the process is killed at a chosen point. */
    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** Throws Killed after a step, or in the validation that comes between this step and its checkpoint. */
    private record Dies(int step, boolean inValidation) implements TrainProgress {
        @Override
        public void trained(Step done) {
            if (!inValidation && done.step() == step) {
                throw new Killed();
            }
        }

        @Override
        public void validated(int done, double loss) {
            if (inValidation && done == step) {
                throw new Killed();
            }
        }
    }

    @BeforeAll
    void undisturbed(@TempDir Path folder) {
        this.folder = folder;
        undisturbed = folder.resolve("undisturbed");
        steps = TrainingFixture.lora(undisturbed, 2, TRAIN, TrainProgress.SILENT).steps();
        assertTrue(steps >= 9 && steps <= 15, steps + " steps");
    }

    @Test
    void afterEveryStep() {
        for (int step = 1; step < steps; step++) {
            Path output = folder.resolve("after-" + step);
            Dies dies = new Dies(step, false);
            assertThrows(Killed.class, () -> TrainingFixture.lora(output, 2, TRAIN, dies));
            TrainingFixture.lora(output, 2, TRAIN, TrainProgress.SILENT);
            assertSameFiles(undisturbed, output);
        }
    }

    @Test
    void inEveryValidation() {
        for (int step = 2; step <= steps; step += 2) {
            Path output = folder.resolve("in-" + step);
            Dies dies = new Dies(step, true);
            assertThrows(Killed.class, () -> TrainingFixture.lora(output, 2, TRAIN, dies));
            TrainingFixture.lora(output, 1, TRAIN, TrainProgress.SILENT);
            assertSameFiles(undisturbed, output);
        }
    }

    @Test
    void aFinishedRunIsLeftAsItIs() throws IOException {
        Path output = folder.resolve("twice");
        TrainReport first = TrainingFixture.lora(output, 2, TRAIN, TrainProgress.SILENT);
        assertEquals(first, TrainingFixture.lora(output, 2, TRAIN, new Dies(1, false)));
        assertSameFiles(undisturbed, output);
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 8})
    void fullFineTuningToo(int step) {
        Path whole = folder.resolve("full-whole-" + step);
        Path output = folder.resolve("full-" + step);
        TrainingFixture.full(whole, 2, TRAIN, TrainProgress.SILENT);
        Dies dies = new Dies(step, false);
        assertThrows(Killed.class, () -> TrainingFixture.full(output, 2, TRAIN, dies));
        TrainingFixture.full(output, 1, TRAIN, TrainProgress.SILENT);
        assertSameFiles(whole, output);
    }

    /**
     * Kills the process with SIGKILL at random times, also while it writes files. The first process waits after its
     * last step, so that even on a fast machine it is killed before it ends.
     */
    @Test
    void underSigkill() throws Exception {
        Path output = folder.resolve("sigkill");
        CounterRandom random = new CounterRandom(System.nanoTime());
        int kills = 0;
        for (int i = 0; i < 12; i++) {
            Process child = child(output, i == 0 ? steps : 0);
            boolean ended = child.waitFor(250 + (long) (random.uniform(i) * 900), TimeUnit.MILLISECONDS);
            if (ended) {
                assertEquals(0, child.exitValue(), () -> "the child failed: "
                        + read(output.resolveSibling("child.log")));
                break;
            }
            kills++;
            child.destroyForcibly().waitFor();
        }
        TrainingFixture.lora(output, 2, TRAIN, TrainProgress.SILENT);
        assertTrue(kills > 0);
        assertSameFiles(undisturbed, output);
    }

    private Process child(Path output, int waitAt) throws IOException {
        List<String> command = List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-Dingrain.root=" + System.getProperty("ingrain.root"), "-cp",
                System.getProperty("java.class.path"), Child.class.getName(), output.toString(),
                Integer.toString(waitAt));
        File log = output.resolveSibling("child.log").toFile();
        return new ProcessBuilder(command).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start();
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** The process to kill. Arguments: the output folder, and the step after which the process waits (0: none). */
    static final class Child {
        private Child() {
        }

        public static void main(String[] args) {
            int waitAt = Integer.parseInt(args[1]);
            TrainingFixture.lora(Path.of(args[0]), 2, TRAIN, new TrainProgress() {
                @Override
                public void trained(Step done) {
                    if (done.step() == waitAt) {
                        LockSupport.park();
                    }
                }
            });
        }
    }
}
