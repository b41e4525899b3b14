package org.ingrain.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Locale;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.checkpoint.ModelOptions;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Forecast;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.train.TrainConfig;

/**
 * Prints what a distillation would do, from a few of its own questions on this machine. Memory is planned and told as the model is
 * loaded.
 *
 * @param recipe that the flags come from, or null
 */
record DryRun(ModelOptions options, BatchFlags batch, Recipe recipe) {
    private static final int FEWEST_PROBES = 4;
    private static final int MOST_PROBES = 32;

    int print(DistillConfig config, TunerConfig train) {
        Dataset data = Dataset.load(config.data());
        Path folder = temporary();
        TrainConfig whole = train.train();
        TrainConfig few = new TrainConfig(0, Forecast.Trial.trialSteps(), whole.batchSize(), whole.gradientAccumulation(), whole.seed(), 0,
                Forecast.Trial.trialSteps(), 1, whole.activationCheckpointing());
        int rows = whole.batchSize() * whole.gradientAccumulation();
        int steps = whole.maxSteps() > 0 ? whole.maxSteps() : Math.ceilDiv(data.pool().size(), rows) * whole.epochs();
        // Enough questions that the batch is as full as it would be.
        int probes = Math.clamp(batch.maxSequences / Math.max(1, config.sample().samples().isEmpty() ? 8 : config.sample().samples().getFirst()),
                FEWEST_PROBES, MOST_PROBES);
        try (Session session = Session.open(options, batch, 0)) {
            Forecast forecast = Forecast.of(config, data, new Forecast.Trial(session.answerer(),
                    session.tuner(new TunerConfig(train.lora(), train.optimizer(), few), new TreeMap<>()), rows, steps, folder, probes));
            System.out.print(table(config, data, forecast, Math.min(probes, data.pool().size())));
        } finally {
            delete(folder);
        }
        return 0;
    }

    private String table(DistillConfig config, Dataset data, Forecast forecast, int probes) {
        StringBuilder text = new StringBuilder();
        if (recipe != null) {
            text.append(recipe.title()).append(" (").append(recipe.source()).append(")\n");
            recipe.paper().forEach((row, figure) -> text.append("  the paper: ").append(row).append(' ').append(figure).append('\n'));
            text.append("  not stated in the paper, so ours: ").append(String.join(", ", recipe.ours())).append("\n\n");
        }
        text.append(config.method().title()).append(" on ").append(config.data().makeTask().name()).append(": ").append(data.pool().size())
                .append(" questions to distil on, ").append(data.test().size()).append(" held out; reckoned from ").append(probes).append(" of them\n\n");
        text.append(String.format(Locale.ROOT, "%-36s %12s %12s %14s %10s%n", "stage", "calls", "at most", "tokens", "time"));
        double seconds = 0;
        for (Forecast.Stage stage : forecast.stages()) {
            seconds += stage.seconds();
            text.append(String.format(Locale.ROOT, "%-36s %,12d %,12d %,14.0f %10s%n", stage.name(), stage.calls(), stage.most(), stage.tokens(), time(stage.seconds())));
        }
        return text.append(String.format(Locale.ROOT, "%-36s %12s %12s %14s %10s%n", "all", "", "", "", time(seconds))).toString();
    }

    private static String time(double seconds) {
        long whole = Math.round(seconds);
        return whole < 60 ? whole + " s" : whole < 3600 ? String.format(Locale.ROOT, "%d:%02d min", whole / 60, whole % 60)
                : String.format(Locale.ROOT, "%,d:%02d h", whole / 3600, whole % 3600 / 60);
    }

    private static Path temporary() {
        try {
            return Files.createTempDirectory("ingrain-plan");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
