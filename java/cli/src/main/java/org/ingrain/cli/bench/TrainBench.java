package org.ingrain.cli.bench;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.TreeMap;
import org.ingrain.cli.progress.ProgressDisplay;
import org.ingrain.engine.Engine;
import org.ingrain.files.TemporaryFolder;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingSequence;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainingRun;

/**
 * The training test. A step is a forward pass, a backward pass and AdamW for a rank-16 adapter on all seven
 * projections, with one training row.
 */
final class TrainBench {
    private static final int RANK = 16;

    private TrainBench() {
    }

    /**
     * Measures training steps of {@code tokens} tokens in a temporary folder. The first step is not measured. The
     * training ends one step early, so that it writes neither a checkpoint nor an adapter; for a large model, these
     * files can take gigabytes.
     */
    static BenchResult measure(Engine engine, int tokens, int repetitions) {
        String test = "train" + tokens;
        List<Long> ends = new ArrayList<>();
        try (TemporaryFolder folder = TemporaryFolder.make("ingrain-bench-");
                ProgressDisplay progress = new ProgressDisplay(test, "repetitions", 0, repetitions)) {
            TrainConfig config = new TrainConfig(0, repetitions + 2, 1, 1, 0, 0, repetitions + 2, 1, false);
            TrainingData data = new TrainingData(List.of(row(tokens, engine.blueprint().vocabSize())), List.of(), 0);
            TrainingRun run = new TrainingRun(folder.path().resolve("run"), data, OptimizerConfig.of(1e-4), config,
                    new TreeMap<>());
            try (Trainer trainer = engine.trainer(LoraConfig.of(RANK, 2 * RANK), List.of(), run)) {
                trainer.train(new Timer(ends, progress, repetitions + 1));
            }
        }
        long[] times = new long[repetitions];
        for (int i = 0; i < repetitions; i++) {
            times[i] = ends.get(i + 1) - ends.get(i);
        }
        return new BenchResult(test, 0, tokens, 0, times, null, null);
    }

    /** Records the end time of each step, and ends the training after {@code steps} steps. */
    private record Timer(List<Long> ends, ProgressDisplay progress, int steps) implements TrainProgress {
        @Override
        public void trained(Step step) {
            ends.add(System.nanoTime());
            progress.at(ends.size() - 1);
        }

        @Override
        public boolean enough(int step) {
            return step == steps;
        }

        @Override
        public boolean wantsResult() {
            return false;
        }
    }

    private static TrainingSequence row(int tokens, int vocabulary) {
        BitSet targets = new BitSet();
        targets.set(1, tokens);
        return new TrainingSequence(BenchCommand.prompt(tokens, 0, vocabulary), targets);
    }
}
