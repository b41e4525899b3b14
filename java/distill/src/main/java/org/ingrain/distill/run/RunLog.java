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
 * What happened when, and how long it took: {@code run.log} and {@code timings.json}, which with each training's {@code
 * log.txt} are the only files of a run folder that differ from run to run.
 */
public final class RunLog {
    private final Path log;
    private final Path timings;

    RunLog(Path folder) {
        this.log = folder.resolve("run.log");
        this.timings = folder.resolve("timings.json");
    }

    /**
     * One stage, over all the processes that worked on it.
     *
     * @param tokens generated
     * @param unused of them, those of texts that ended and were not kept, as a vote had ended before; texts that were
     *               broken off are not counted
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
                + (timing.unused() == 0 ? "" : ", " + timing.unused() + " tokens of ended texts not kept"));
    }
}
