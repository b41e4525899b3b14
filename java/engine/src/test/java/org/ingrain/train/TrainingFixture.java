package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.train.data.CounterRandom;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Schedule;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainReport;
import org.ingrain.train.run.TrainingRun;

/**
 * A short run on the golden model. It has about twelve steps of two micro-batches each, with dropout and packing.
 * It validates every two steps and writes a checkpoint every five steps, so that most validations and checkpoints are
 * at different steps.
 */
public final class TrainingFixture {
    public static final OptimizerConfig OPTIMIZER = new OptimizerConfig(
            2e-2, 0.9, 0.99, 1e-8, 0.01, 1, Schedule.COSINE, 2, 0.1);
    public static final TrainConfig TRAIN = new TrainConfig(3, 0, 2, 2, 17, 2, 5, 2, false);
    public static final LoraConfig LORA = new LoraConfig(3, 6, 0.1, LoraConfig.ALL_LINEAR, true);

    private TrainingFixture() {
    }

    /** Random rows with a pattern that the model can learn: 9 of 10 tokens are the previous token plus 3. */
    public static List<TrainingSequence> sequences(int n, long seed) {
        List<TrainingSequence> sequences = new ArrayList<>();
        CounterRandom random = new CounterRandom(seed);
        for (int s = 0; s < n; s++) {
            int[] ids = new int[4 + (int) (random.uniform(s) * 20)];
            ids[0] = (int) (random.uniform(1000 + s) * 48);
            for (int i = 1; i < ids.length; i++) {
                boolean noise = random.uniform(5000 + 100L * s + i) < 0.1;
                ids[i] = noise ? (int) (random.uniform(90_000 + 100L * s + i) * 48) : (ids[i - 1] + 3) % 48;
            }
            BitSet targets = new BitSet();
            targets.set(2, ids.length);
            sequences.add(new TrainingSequence(ids, targets));
        }
        return sequences;
    }

    public static TrainingData data() {
        return new TrainingData(sequences(28, 1), sequences(5, 2), 32);
    }

    public static TrainingRun run(Path output, TrainConfig train) {
        SortedMap<String, String> provenance = new TreeMap<>();
        provenance.put("model", "golden");
        return new TrainingRun(output, data(), OPTIMIZER, train, provenance);
    }

    public static TrainReport lora(Path output, int threads, TrainConfig train, TrainProgress progress) {
        try (Golden golden = new Golden("tied", threads);
             Trainer trainer = Trainer.lora(golden.weights(), LORA, "base", List.of(), run(output, train))) {
            return trainer.train(progress);
        }
    }

    public static TrainReport full(Path output, int threads, TrainConfig train, TrainProgress progress) {
        try (Golden golden = new Golden("untied", threads);
             Trainer trainer = Trainer.full(golden.weights(), golden.model, run(output, train))) {
            return trainer.train(progress);
        }
    }

    /** Compares the names and bytes of all files except the lock and the log. The log contains times. */
    public static void assertSameFiles(Path expected, Path found) {
        assertEquals(names(expected), names(found));
        for (String name : names(expected)) {
            try {
                assertEquals(-1, Files.mismatch(expected.resolve(name), found.resolve(name)), name + " differs");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    public static List<String> names(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile).map(file -> folder.relativize(file).toString())
                    .filter(name -> !name.equals("log.txt") && !name.equals("run.lock")).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
