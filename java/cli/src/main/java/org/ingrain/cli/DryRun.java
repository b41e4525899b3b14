package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import org.ingrain.cli.flags.Recipe;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Forecast;
import org.ingrain.distill.Seeds;
import org.ingrain.distill.Trial;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineTuner;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.task.Dataset;
import org.ingrain.engine.Engine;
import org.ingrain.engine.MemoryPlan;
import org.ingrain.files.TemporaryFolder;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.train.data.MicroBatchLimits;
import org.ingrain.train.pass.TrainingMemory;

/**
 * Prints the estimated work, time and memory of a distillation. The estimate comes from short trials on this machine
 * with a few of the distillation's questions. If the model is a config without weights, the output contains upper
 * bounds instead of estimates, and no times.
 *
 * @param recipe the recipe of the command line; null if there is none
 * @param seeds  number of runs, which are executed one after another
 */
record DryRun(Engine engine, GeneratorConfig batch, Recipe recipe, int seeds) {
    private static final String ROW = "%-36s %12s %12s %14s %10s  %s";
    /** Time limit for all trials of a dry run, in seconds. */
    private static final double SECONDS = 6;

    int print(Seeds.Run<TunerConfig> run) {
        return engine.options().randomWeights() ? bounds(run) : tried(run);
    }

    /**
     * Prints upper bounds. The training memory is computed as if every row of a step were as long as the longest row.
     */
    private int bounds(Seeds.Run<TunerConfig> run) {
        DistillConfig<TunerConfig> config = run.config();
        int rows = config.train().train().batchSize();
        int tokens = rows * Math.min(engine.blueprint().maxContextLength(),
                Forecast.longestRow(config, run.data()));
        MemoryPlan.Part training = engine.room(config.train().lora(),
                TrainingMemory.least(new MicroBatchLimits(tokens, rows, tokens)));
        List<MemoryPlan> plans = engine.plan(batch, 1, config.train().lora().rank()).stream()
                .map(plan -> plan.with(training)).toList();
        System.out.print(head(config, run.data()) + "\nnothing tried: " + engine.options().model()
                + " has no weights. Calls and tokens are upper bounds: no vote stops early, every text has its maximum "
                + "length, and a training row has at most one token per byte\n\n"
                + table(Forecast.bounds(config, run.data())) + '\n'
                + PlacementText.of(engine, plans));
        PlacementText.requireRoom(engine, plans);
        return 0;
    }

    private int tried(Seeds.Run<TunerConfig> run) {
        DistillConfig<TunerConfig> config = run.config();
        try (TemporaryFolder temporary = TemporaryFolder.make("ingrain-plan-")) {
            Path folder = temporary.path();
            EngineAnswerer answerer = new EngineAnswerer(
                    engine, engine.generator(batch, config.train().limits()));
            EngineTuner tuner = tuner(config, config.train().rowsPerStep());
            Forecast forecast = Forecast.of(config, run.data(), new Trial(answerer, rows -> tuner(config, rows), folder,
                    batch.maxSequences(), SECONDS, state -> System.err.printf(Locale.ROOT, "trying %s (%d of %d)%n",
                            state.stage(), state.done() + 1, state.total())));
            Path none = folder.resolve("none.jsonl");
            Tuner.Job training = new Tuner.Job(forecast.training(), none, folder.resolve("memory"), "memory", null);
            MemoryPlan.Part room = tuner.room(training);
            List<MemoryPlan> plans = engine.memoryPlans().stream().map(plan -> plan.with(room)).toList();
            PlacementText.requireRoom(engine, plans);
            System.out.print(head(config, run.data()) + '\n' + table(forecast)
                    + "\nfrom trials on this machine: few questions, shortened texts. The shortened texts are assumed "
                    + "to end at the same rate as the other texts\n"
                    + tooLong(forecast, run.data(), tuner.longest()) + '\n'
                    + PlacementText.of(engine, plans));
        }
        return 0;
    }

    private EngineTuner tuner(DistillConfig<TunerConfig> config, int rows) {
        return new EngineTuner(engine, config.train().trial(Trial.STEPS, rows), new TreeMap<>());
    }

    private static String tooLong(Forecast forecast, Dataset data, int longest) {
        return forecast.tooLong() == 0 ? "" : String.format(
                Locale.ROOT, "%nnot in the training: %,d of %,d questions, longer than %,d tokens with"
                + " their answers%n", forecast.tooLong(), data.pool().size(), longest);
    }

    private String head(DistillConfig<?> config, Dataset data) {
        StringBuilder text = new StringBuilder();
        if (recipe != null) {
            text.append(recipe.title()).append(" (").append(recipe.source()).append(")\n");
            recipe.paper().forEach((row, figure) -> text.append("  the paper: ").append(row).append(' ').append(figure)
                    .append('\n'));
            text.append("  not stated in the paper:\n");
            recipe.ours().forEach((why, flags) -> text.append("    ").append(String.join(", ", flags)).append(": ")
                    .append(why).append('\n'));
            text.append('\n');
        }
        return text.append(config.method().title()).append(" on ").append(config.data().makeTask().name()).append(": ")
                .append(data.pool().size())
                .append(" questions to distil on, ").append(data.test().size()).append(" held out\n").toString();
    }

    private String table(Forecast forecast) {
        StringBuilder text = new StringBuilder(String.format(
                Locale.ROOT, ROW, "stage", "calls", "at most", "tokens", "time", "tried").strip()).append('\n');
        forecast.rows().forEach(row -> text.append(line(row)));
        text.append(line(total(forecast, 1)));
        return seeds == 1 ? text.toString() : text.append(line(total(forecast, seeds))).toString();
    }

    /** Total numbers of generated texts and tokens and total time, over all stages of {@code runs} runs. */
    private static Forecast.Row total(Forecast forecast, int runs) {
        List<Forecast.Row> asking = forecast.rows().stream().filter(Forecast.Row::asks).toList();
        return new Forecast.Row(runs == 1 ? "all texts, all time" : "all of " + runs + " seeds", true,
                runs * asking.stream().mapToLong(Forecast.Row::calls).sum(),
                runs * asking.stream().mapToLong(Forecast.Row::most).sum(),
                runs * asking.stream().mapToDouble(Forecast.Row::tokens).sum(),
                runs * forecast.rows().stream().mapToDouble(Forecast.Row::seconds).sum(), "");
    }

    private static String line(Forecast.Row row) {
        return String.format(Locale.ROOT, ROW, row.name(), count(row.calls()), count(row.most()),
                Double.isNaN(row.tokens()) ? "-" : count(Math.round(row.tokens())), time(row.seconds()), row.basis())
                .stripTrailing() + '\n';
    }

    private static String count(long n) {
        return String.format(Locale.ROOT, "%,d", n);
    }

    private static String time(double seconds) {
        if (Double.isNaN(seconds)) {
            return "-";
        }
        long whole = Math.round(seconds);
        return whole < 60 ? whole + " s" : whole < 3600
                ? String.format(Locale.ROOT, "%d:%02d min", whole / 60, whole % 60)
                : String.format(Locale.ROOT, "%,d:%02d h", whole / 3600, whole % 3600 / 60);
    }
}
