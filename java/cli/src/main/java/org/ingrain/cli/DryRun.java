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

/**
 * Prints the estimated work, time and memory of a distillation. The estimate comes from a trial on this machine with a
 * few of the distillation's questions.
 *
 * @param recipe the recipe of the command line; null if there is none
 * @param seeds  number of runs, which are executed one after another
 */
record DryRun(Engine engine, GeneratorConfig batch, Recipe recipe, int seeds) {
    private static final String ROW = "%-36s %12s %12s %14s %10s%n";

    int print(Seeds.Run<TunerConfig> run) {
        DistillConfig<TunerConfig> config = run.config();
        try (TemporaryFolder temporary = TemporaryFolder.make("ingrain-plan-")) {
            Path folder = temporary.path();
            EngineAnswerer answerer = new EngineAnswerer(
                    engine, engine.generator(batch, config.train().lora().limits(1)));
            EngineTuner tuner = new EngineTuner(engine, config.train().trial(Trial.STEPS), new TreeMap<>());
            Forecast forecast = Forecast.of(config, run.data(),
                    new Trial(answerer, tuner, folder, batch.maxSequences()));
            Path none = folder.resolve("none.jsonl");
            Tuner.Job training = new Tuner.Job(forecast.training(), none, folder.resolve("memory"), "memory", null);
            MemoryPlan.Part room = tuner.room(training);
            List<MemoryPlan> plans = engine.memoryPlans().stream().map(plan -> plan.with(room)).toList();
            PlacementText.requireRoom(engine, plans);
            System.out.print(head(config, run.data(), forecast.tried()) + table(forecast)
                    + tooLong(forecast, run.data(), tuner.longest()) + '\n'
                    + PlacementText.of(engine, plans));
        }
        return 0;
    }

    private static String tooLong(Forecast forecast, Dataset data, int longest) {
        return forecast.tooLong() == 0 ? "" : String.format(
                Locale.ROOT, "%nnot in the training: %,d of %,d questions, longer than %,d tokens with"
                + " their answers%n", forecast.tooLong(), data.pool().size(), longest);
    }

    private String head(DistillConfig<?> config, Dataset data, int tried) {
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
                .append(" questions to distil on, ").append(data.test().size()).append(" held out; estimated from ")
                        .append(tried)
                .append(" of them\n\n").toString();
    }

    private String table(Forecast forecast) {
        StringBuilder text = new StringBuilder(String.format(
                Locale.ROOT, ROW, "stage", "calls", "at most", "tokens", "time"));
        forecast.rows().forEach(row -> text.append(line(row)));
        text.append(line(total(forecast, 1)));
        return seeds == 1 ? text.toString() : text.append(line(total(forecast, seeds))).toString();
    }

    /**
     * The totals of the generated texts, of the generated tokens and of the time, over all stages of {@code runs} runs.
     */
    private static Forecast.Row total(Forecast forecast, int runs) {
        List<Forecast.Row> asking = forecast.rows().stream().filter(Forecast.Row::asks).toList();
        return new Forecast.Row(runs == 1 ? "all texts, all time" : "all of " + runs + " seeds", true,
                runs * asking.stream().mapToLong(Forecast.Row::calls).sum(),
                runs * asking.stream().mapToLong(Forecast.Row::most).sum(),
                runs * asking.stream().mapToDouble(Forecast.Row::tokens).sum(),
                runs * forecast.rows().stream().mapToDouble(Forecast.Row::seconds).sum());
    }

    private static String line(Forecast.Row row) {
        return String.format(Locale.ROOT, ROW, row.name(), count(row.calls()), count(row.most()),
                count(Math.round(row.tokens())), time(row.seconds()));
    }

    private static String count(long n) {
        return String.format(Locale.ROOT, "%,d", n);
    }

    private static String time(double seconds) {
        long whole = Math.round(seconds);
        return whole < 60 ? whole + " s" : whole < 3600
                ? String.format(Locale.ROOT, "%d:%02d min", whole / 60, whole % 60)
                : String.format(Locale.ROOT, "%,d:%02d h", whole / 3600, whole % 3600 / 60);
    }
}
