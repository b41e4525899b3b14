package org.ingrain.cli.progress;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows the progress of long work on standard error. If standard error is a terminal, the display is a bar with rate
 * and remaining time; otherwise a line is printed at intervals.
 */
public final class ProgressDisplay implements AutoCloseable {
    private static final Duration BETWEEN_LINES = Duration.ofSeconds(10);
    private static final int BAR_WIDTH = 100;

    private final String name;
    private final String unit;
    private final long of;
    private final PrintStream out = System.err;
    private final ProgressBar bar;
    private final Instant start = Instant.now();
    private final long first;
    private Instant lastLine = start;
    private long done;

    /** Starts a display for {@code of} units of work, {@code first} of which were finished earlier. */
    public ProgressDisplay(String name, String unit, long first, long of) {
        this.name = name;
        this.unit = unit;
        this.first = first;
        this.of = of;
        done = first;
        bar = !onTerminal() ? null : new ProgressBarBuilder().setTaskName(name).setInitialMax(of).setUnit(" " + unit, 1)
                .startsFrom(first, Duration.ZERO)
                .showSpeed().setStyle(ProgressBarStyle.ASCII).setMaxRenderedLength(BAR_WIDTH)
                .setConsumer(new ConsoleProgressBarConsumer(out, BAR_WIDTH)).build();
    }

    /** Returns whether standard error is a terminal. */
    static boolean onTerminal() {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
        } catch (IOException e) {
            return false;
        }
    }

    public void at(long units) {
        done = units;
        if (bar != null) {
            bar.stepTo(units);
        } else if (units < of && Duration.between(lastLine, Instant.now()).compareTo(BETWEEN_LINES) >= 0) {
            lastLine = Instant.now();
            out.println(line());
        }
    }

    /** Shows a note next to the bar; does nothing if there is no bar. */
    void note(String text) {
        if (bar != null) {
            bar.setExtraMessage(text);
        }
    }

    private String line() {
        double seconds = Math.max(1e-3, Duration.between(start, Instant.now()).toMillis() / 1e3);
        double rate = (done - first) / seconds;
        String left = rate > 0 && done < of ? String.format(Locale.ROOT, ", %.0f s left", (of - done) / rate) : "";
        return String.format(Locale.ROOT, "%s: %d of %d %s, %.1f per second%s", name, done, of, unit, rate, left);
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        } else {
            out.println(line());
        }
    }
}
