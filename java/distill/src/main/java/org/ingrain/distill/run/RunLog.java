package org.ingrain.distill.run;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * Events and times of a run: {@code run.log} and {@code timings.json}. These files and each training's {@code log.txt}
 * are the only ones that differ between equal runs.
 */
public final class RunLog {
    private final Path log;
    private final Path timings;

    RunLog(Path folder) {
        this.log = folder.resolve("run.log");
        this.timings = folder.resolve("timings.json");
    }

    /**
     * The cost of one stage, summed over all processes that worked on it.
     *
     * @param tokens generated tokens
     * @param unused those of {@code tokens} in finished texts that were not kept, because the vote had already been
     *               decided; cancelled texts are not counted
     */
    public record Timing(double seconds, long tokens, long unused) {
        Timing plus(Timing other) {
            return new Timing(seconds + other.seconds, tokens + other.tokens, unused + other.unused);
        }
    }

    record Timings(Map<String, Timing> stages) {
    }

    public void say(String text) {
        DurableFile.append(log, Instant.now().truncatedTo(ChronoUnit.MILLIS) + " " + text + "\n");
    }

    /** Adds to a stage's time. */
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
