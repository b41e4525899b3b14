package org.ingrain.spark;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaSparkContext;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import scala.concurrent.ExecutionContext;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.BoxedUnit;

/**
 * An {@link Answerer} that sends its requests to Spark's executors. Requests are divided into partitions, and a Spark
 * task answers one partition. The driver reports the texts of a partition as soon as its task has finished. So these
 * texts are in the run folder even if the driver or an executor is killed later. Follow-up requests become new
 * partitions at once and do not wait for the other partitions. Only the driver writes files.
 */
final class SparkAnswerer implements Answerer {
    /** Maximum number of tasks per job, because Spark limits the total size of a job's results. */
    private static final int MOST_TASKS = 1000;
    private static final String PLUGINS = "spark.plugins";

    private final JavaSparkContext spark;
    private final String setup;
    private final int most;
    /** For each engine: the number of calls of each fallback kernel so far. */
    private final Map<String, SortedMap<String, Long>> fallbacks = new HashMap<>();
    /**
     * For each adapter's folder: the hashes of its files. They can be cached, because the files of a finished adapter
     * do not change.
     */
    private final Map<Path, SortedMap<String, String>> adapters = new HashMap<>();

    /** @param spark a context with the settings that {@link #settings} returns; this object closes it */
    SparkAnswerer(JavaSparkContext spark, EngineSetup setup) {
        this.spark = spark;
        this.setup = Json.line(setup);
        most = setup.sizes().maxSequences();
    }

    /**
     * Returns a copy of the settings with the plugin that the executors need. The copy also sets the log level and
     * turns the progress bar off, unless {@code given} contains these settings.
     *
     * @throws InputException if the settings name no master
     */
    static SparkConf settings(SparkConf given) {
        if (!given.contains("spark.master")) {
            throw new InputException("cluster spark: spark.master is not set, expected a start by spark-submit");
        }
        SparkConf conf = given.clone().setIfMissing("spark.app.name", "ingrain")
                .setIfMissing("spark.log.level", "WARN").setIfMissing("spark.ui.showConsoleProgress", "false");
        String plugin = EnginePlugin.class.getName();
        return conf.set(PLUGINS, conf.contains(PLUGINS) ? conf.get(PLUGINS) + "," + plugin : plugin);
    }

    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        try {
            new Work(done).run(first);
        } catch (RuntimeException | Error e) {
            if (!spark.sc().isStopped()) {
                spark.sc().cancelAllJobs();
            }
            throw e;
        }
    }

    @Override
    public SortedMap<String, Long> fallbacks() {
        SortedMap<String, Long> all = new TreeMap<>();
        fallbacks.values().forEach(calls -> calls.forEach((what, count) -> all.merge(what, count, Long::sum)));
        return all;
    }

    @Override
    public void close() {
        spark.close();
    }

    /**
     * A message from a job to the thread that waits for the job: the result of a partition, or a failure.
     *
     * @param requests the requests of the partition; empty for a failure
     * @param result   the partition's result as JSON; null for a failure
     * @param failure  the exception with which the job failed; null for a result
     */
    private record Arrival(List<TextRequest> requests, String result, Throwable failure) {
    }

    /** The state of one call of {@link #answer}. */
    private final class Work {
        private final Function<TextCompletion, Next> done;
        private final BlockingQueue<Arrival> arrivals = new LinkedBlockingQueue<>();
        private int running;

        Work(Function<TextCompletion, Next> done) {
            this.done = done;
        }

        void run(List<TextRequest> first) {
            submit(first);
            while (running > 0) {
                List<TextRequest> follow = new ArrayList<>();
                Set<SampleKey> cancelled = new HashSet<>();
                for (Arrival arrival = take(); arrival != null; arrival = arrivals.poll()) {
                    arrived(arrival, follow, cancelled);
                }
                submit(follow.stream().filter(request -> !cancelled.contains(request.key())).toList());
            }
        }

        private Arrival take() {
            try {
                return arrivals.take();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while Spark computes", e);
            }
        }

        /** Reports the texts of a partition and adds the follow-up requests to {@code follow}. */
        private void arrived(Arrival arrival, List<TextRequest> follow, Set<SampleKey> cancelled) {
            if (arrival.failure() != null) {
                throw failed(arrival.failure());
            }
            Partition.Result result = Json.parse(arrival.result(), Partition.Result.class, "result of a partition");
            if (result.refusal() != null) {
                throw new InputException(result.refusal());
            }
            running--;
            fallbacks.put(result.engine(), result.fallbacks());
            for (int i = 0; i < arrival.requests().size(); i++) {
                Next next = done.apply(result.texts().get(i).of(arrival.requests().get(i)));
                follow.addAll(next.requests());
                cancelled.addAll(next.cancelled());
            }
        }

        private void submit(List<TextRequest> requests) {
            List<List<TextRequest>> partitions = Partition.divide(requests, spark.defaultParallelism(), most);
            for (int from = 0; from < partitions.size(); from += MOST_TASKS) {
                job(partitions.subList(from, Math.min(partitions.size(), from + MOST_TASKS)));
            }
        }

        /** Starts a job with one task per partition. Spark calls the handlers on its own threads. */
        private void job(List<List<TextRequest>> partitions) {
            List<String> rows = partitions.stream().map(requests -> Json.line(Partition.of(requests,
                    folder -> adapters.computeIfAbsent(folder, Digest::model)))).toList();
            running += rows.size();
            List<Object> all = IntStream.range(0, rows.size()).<Object>mapToObj(i -> i).toList();
            spark.sc().submitJob(spark.parallelize(rows, rows.size()).rdd(), new PartitionTask(setup),
                    CollectionConverters.asScala(all).toSeq(), (index, result) -> {
                        arrivals.add(new Arrival(partitions.get((Integer) index), result, null));
                        return BoxedUnit.UNIT;
                    }, () -> null).onComplete(end -> {
                        if (end.isFailure()) {
                            arrivals.add(new Arrival(List.of(), null, end.failed().get()));
                        }
                        return BoxedUnit.UNIT;
                    }, ExecutionContext.fromExecutor(Runnable::run));
        }

        /** Returns an exception with the first line of Spark's message. The other lines are stack traces. */
        private static IllegalStateException failed(Throwable failure) {
            String message = failure instanceof SparkException && failure.getMessage() != null
                    ? failure.getMessage().lines().findFirst().orElse("") : failure.toString();
            return new IllegalStateException(message, failure);
        }
    }
}
