package org.ingrain.distill.verify;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLog;

/**
 * Verifies the answers of a finished sampling stage with a user's program. The program does not get gold answers. Each
 * verdict is appended to a log as soon as it is known. At the end the verdicts are written to one file in the order of
 * the answers. A text in which no answer was found gets no verdict.
 */
public record Verification(VerifierConfig config, Task task, Method method) {
    private static final int MOST_THREADS = 8;

    /** The content of the JSON line that the program reads. */
    private record Line(String id, String question, Map<String, String> fields, String answer, String text) {
    }

    /**
     * Verifies all answers and writes {@code target}. If an earlier call was interrupted, its verdicts are reused. If
     * {@code target} exists, it is not changed.
     *
     * @throws org.ingrain.tensor.InputException if the program fails; the next call reuses the verdicts that were given
     *         before the failure
     */
    public void run(Path samples, List<Example> examples, Path target, Stopwatch watch) {
        Path logFile = target.resolveSibling(target.getFileName() + ".log");
        if (!Files.exists(target)) {
            try (JsonLog log = JsonLog.open(logFile);
                    ExecutorService threads = Executors.newFixedThreadPool(threads())) {
                Work work = new Work(log, threads, watch, count(samples, examples));
                log.resume(Verdict.class, (verdict, place) ->
                        work.places.put(new SampleKey(verdict.id(), verdict.path()), place));
                forEach(samples, examples, work::begin);
                work.finish();
                DurableFile.write(target, out -> {
                    for (SampleKey key : work.order) {
                        out.write(log.read(work.places.get(key)));
                    }
                });
                watch.stop();
            }
        }
        DurableFile.delete(logFile);
    }

    private static int threads() {
        return Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors());
    }

    private interface Each {
        void take(SampleKey key, Line line);
    }

    private long count(Path samples, List<Example> examples) {
        long[] count = {0};
        forEach(samples, examples, (key, line) -> count[0]++);
        return count[0];
    }

    private void forEach(Path samples, List<Example> examples, Each each) {
        Answers.forEach(samples, examples, (example, answers) -> {
            for (Answers.Chain chain : answers.chains(method.depth())) {
                String text = method.lastWord(chain);
                Optional<String> found = method.extract(task, example, text);
                if (found.isPresent()) {
                    Map<String, String> fields = new LinkedHashMap<>(example.fields());
                    fields.keySet().retainAll(task.fields());
                    each.take(new SampleKey(example.id(), chain.path()),
                            new Line(example.id(), example.question(), fields, found.get(), text));
                }
            }
        });
    }

    /** The state of one call of {@link #run}. */
    private final class Work {
        private final JsonLog log;
        private final ExecutorService threads;
        private final Stopwatch watch;
        private final long total;
        private final VerifierProcess program = new VerifierProcess(config);
        private final Map<SampleKey, JsonLog.Place> places = new HashMap<>();
        private final List<SampleKey> order = new ArrayList<>();
        private final List<Future<?>> running = new ArrayList<>();
        /** Limits the number of lines that are in memory at the same time. */
        private final Semaphore room = new Semaphore(2 * MOST_THREADS);
        private volatile boolean failed;
        private long done;

        Work(JsonLog log, ExecutorService threads, Stopwatch watch, long total) {
            this.log = log;
            this.threads = threads;
            this.watch = watch;
            this.total = total;
        }

        void begin(SampleKey key, Line line) {
            order.add(key);
            synchronized (log) {
                if (places.containsKey(key)) {
                    watch.at(++done, total, 0);
                    return;
                }
            }
            if (failed) {
                return;
            }
            room.acquireUninterruptibly();
            running.add(threads.submit(() -> {
                try {
                    verify(key, Json.line(line));
                } finally {
                    room.release();
                }
            }));
        }

        private void verify(SampleKey key, String line) {
            if (failed) {
                return;
            }
            try {
                Verdict verdict = program.run(key.id(), key.path(), line);
                synchronized (log) {
                    places.put(key, log.append(verdict));
                    watch.at(++done, total, 0);
                }
            } catch (RuntimeException e) {
                failed = true;
                throw e;
            }
        }

        void finish() {
            for (Future<?> each : running) {
                try {
                    each.get();
                } catch (ExecutionException e) {
                    threads.shutdown();
                    throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new IllegalStateException("interrupted while answers were verified", e);
                }
            }
        }
    }
}
