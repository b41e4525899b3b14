package org.ingrain.distill.run;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.Require;

/**
 * Writes the events of a run to {@code run.log}, the times of its stages to {@code timings.json}, and the runs from
 * which it took over stages to {@code taken-over.json}. Only these files and each training's {@code log.txt} differ
 * between equal runs.
 */
public final class RunLog {
    private final Path log;
    private final Path timings;
    private final Path takenOver;

    RunLog(Path folder) {
        this.log = folder.resolve("run.log");
        this.timings = folder.resolve("timings.json");
        takenOver = folder.resolve("taken-over.json");
    }

    /**
     * Time and tokens of one stage, summed over all processes that worked on the stage.
     *
     * @param tokens number of generated tokens
     * @param unused number of tokens of texts that were not kept, because they finished after their vote was decided;
     * {@code tokens} includes these tokens. The tokens of cancelled texts are in neither number
     */
    public record Timing(double seconds, long tokens, long unused) {
        Timing plus(Timing other) {
            return new Timing(seconds + other.seconds, tokens + other.tokens, unused + other.unused);
        }
    }

    record Timings(Map<String, Timing> stages) {
        Timings {
            Require.present("stages", stages);
            stages.forEach(Require::present);
        }
    }

    /** Records in {@code taken-over.json} that a stage uses files or texts of another run. */
    public void takenOver(String stage, Path from) {
        Map<String, String> all = new TreeMap<>();
        if (Files.exists(takenOver)) {
            all.putAll(Json.parse(DurableFile.read(takenOver), TakenOver.class, takenOver.toString()).stages());
        }
        all.put(stage, from.toAbsolutePath().normalize().toString());
        DurableFile.write(takenOver, Json.pretty(new TakenOver(all)));
    }

    private record TakenOver(Map<String, String> stages) {
        private TakenOver {
            Require.present("stages", stages);
        }
    }

    public void say(String text) {
        DurableFile.append(log, Instant.now().truncatedTo(ChronoUnit.MILLIS) + " " + text + "\n");
    }

    /** Adds {@code timing} to the recorded timing of a stage and logs the added values. */
    public void add(String stage, Timing timing) {
        Map<String, Timing> all = new TreeMap<>();
        if (Files.exists(timings)) {
            all.putAll(Json.parse(DurableFile.read(timings), Timings.class, timings.toString()).stages());
        }
        all.merge(stage, timing, Timing::plus);
        DurableFile.write(timings, Json.pretty(new Timings(all)));
        say(stage + ": " + Math.round(timing.seconds() * 10) / 10.0 + " s"
                + (timing.tokens() == 0 ? "" : ", " + timing.tokens() + " tokens")
                + (timing.unused() == 0 ? "" : ", " + timing.unused() + " tokens of finished texts not kept"));
    }
}
