package org.ingrain.distill.run;

/**
 * Measures the time of one stage in this process. Each call of {@link #at} is reported to a {@link Progress}. The total
 * time is written to the log.
 */
public final class Stopwatch {
    private final String stage;
    private final String unit;
    private final RunLog log;
    private final Progress progress;
    private long begun = System.nanoTime();
    private long tokens;

    public Stopwatch(String stage, String unit, RunLog log, Progress progress) {
        this.stage = stage;
        this.unit = unit;
        this.log = log;
        this.progress = progress;
    }

    /**
     * Reports that {@code done} of {@code total} units are finished, and that {@code more} tokens were generated since
     * the last call.
     */
    public void at(long done, long total, int more) {
        tokens += more;
        double seconds = seconds();
        progress.at(new Progress.State(stage, done, total, unit, seconds > 0 ? tokens / seconds : 0));
    }

    /** Does work whose time does not count as time of the stage, such as loading weights. */
    public void pause(Runnable work) {
        long start = System.nanoTime();
        work.run();
        begun += System.nanoTime() - start;
    }

    public void stop() {
        stop(0);
    }

    /** @param unused number of tokens of finished texts that were not kept */
    public void stop(long unused) {
        log.add(stage, new RunLog.Timing(seconds(), tokens, unused));
    }

    private double seconds() {
        return (System.nanoTime() - begun) / 1e9;
    }
}
