package org.ingrain.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Outcome;
import org.ingrain.distill.Pipeline;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.distill.engine.EngineTuner;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Runs all stages on the lab model, with Spark in this process. benchmarks/spark_kill.sh tests worker processes. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SparkRunTest {
    private static final Path MODEL = Path.of(System.getProperty("ingrain.root"), "models/lab");
    private static final GeneratorConfig BATCH = GeneratorConfig.of(256, 8, 64);
    private static final LoraConfig LORA = LoraConfig.of(4, 8);
    private static final Set<String> EXEMPT = Set.of("run.log", "timings.json", "log.txt");

    private JavaSparkContext spark;
    private Engine engine;

    @TempDir
    Path base;

    @BeforeAll
    void open() {
        spark = new JavaSparkContext(SparkAnswerer.settings(new SparkConf(false).setMaster("local[2,4]")
                .set("spark.ui.enabled", "false").set("spark.driver.host", "localhost")
                .set("spark.driver.bindAddress", "127.0.0.1")));
        engine = Engine.open(ModelOptions.of(MODEL).withThreads(1));
    }

    @AfterAll
    void close() {
        engine.close();
        spark.close();
    }

    private static DistillConfig<TunerConfig> config() {
        QuestionConfig data = new QuestionConfig(TaskConfig.of("last-letter"), null, null, 0, 4, 12, null, 1, null,
                null);
        return new DistillConfig<>(data, Methods.load("rar-2-step"),
                new SampleConfig(List.of(4, 1), SamplingParams.sampled(0.7, 1, 48, 1)), CurationConfig.defaults(),
                new TunerConfig(LORA, OptimizerConfig.of(1e-3), TrainConfig.of(1, 8, 1)),
                new EvaluateConfig(SamplingParams.greedy(48), List.of(), 1, List.of()), TeachConfig.once());
    }

    private EngineSetup setup() {
        return EngineSetup.of(engine, BATCH, LORA.limits(1));
    }

    private Outcome run(String name, Answerer answerer, Progress progress) {
        DistillConfig<TunerConfig> config = config();
        SortedMap<String, String> fingerprint = new TreeMap<>();
        EngineTuner tuner = new EngineTuner(engine, config.train(), fingerprint);
        return new Pipeline(config, Dataset.load(config.data()), new Provenance("test", MODEL, fingerprint),
                new Pipeline.Workers(answerer, tuner), progress).run(base.resolve(name));
    }

    /** Kills the first attempt of every second task. */
    private static final class Killer extends SparkListener {
        private final SparkContext spark;
        private final AtomicInteger killed = new AtomicInteger();

        Killer(SparkContext spark) {
            this.spark = spark;
        }

        @Override
        public void onTaskStart(SparkListenerTaskStart start) {
            if (start.taskInfo().attemptNumber() == 0 && start.taskInfo().index() % 2 == 0) {
                spark.killTaskAttempt(start.taskInfo().taskId(), false, "test");
            }
        }

        @Override
        public void onTaskEnd(SparkListenerTaskEnd end) {
            if (end.taskInfo().killed()) {
                killed.incrementAndGet();
            }
        }
    }

    /** Counts the requests that an answerer receives. */
    private record Counting(Answerer answerer, AtomicInteger asked) implements Answerer {
        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            asked.addAndGet(first.size());
            answerer.answer(first, text -> {
                Next next = done.apply(text);
                asked.addAndGet(next.requests().size());
                return next;
            });
        }
    }

    @Test
    void equalBytesOnOneMachineAndOnSparkWithKilledTasksAndAStop() throws IOException {
        assertInstanceOf(Outcome.Done.class, run("one",
                new EngineAnswerer(engine, engine.generator(BATCH, LORA.limits(1))), Progress.SILENT));
        SortedMap<String, String> expected = content("one");
        assertTrue(expected.containsKey("evaluation/distilled/samples.jsonl"), expected.keySet()::toString);

        Killer killer = new Killer(spark.sc());
        spark.sc().addSparkListener(killer);
        AtomicInteger whole = new AtomicInteger();
        run("killed", new Counting(new SparkAnswerer(spark, setup()), whole), Progress.SILENT);
        spark.sc().removeSparkListener(killer);
        assertTrue(killer.killed.get() > 0, "no task was killed");
        assertSame(expected, "killed");

        AtomicInteger left = new AtomicInteger(20);
        AtomicInteger asked = new AtomicInteger();
        assertThrows(IllegalStateException.class, () -> run("stopped", new SparkAnswerer(spark, setup()), state -> {
            if (state.stage().equals("sample") && left.decrementAndGet() == 0) {
                throw new IllegalStateException("stopped by the test");
            }
        }));
        int kept = Files.readAllLines(base.resolve("stopped/samples.jsonl.log")).size();
        assertTrue(kept > 0, "no finished partition was kept");
        run("stopped", new Counting(new SparkAnswerer(spark, setup()), asked), Progress.SILENT);
        assertSame(expected, "stopped");
        assertEquals(whole.get() - kept, asked.get());
        tasksWithTwoAdaptersAtOnce(base.resolve("one/training/adapter"));
    }

    /**
     * Tasks of one executor use two copies of an adapter and the base model at the same time. One of the tasks is
     * killed.
     */
    private void tasksWithTwoAdaptersAtOnce(Path adapter) throws IOException {
        Path copy = Files.createDirectories(base.resolve("copy"));
        for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
            Files.copy(adapter.resolve(file), copy.resolve(file));
        }
        List<Partition> partitions = Stream.of(new ModelState.Adapter(adapter), new ModelState.Adapter(copy),
                new ModelState.Base()).map(weights -> Partition.of(List.of(request(weights)), Digest::model)).toList();
        String setup = Json.line(setup());
        List<Partition.Result> alone = partitions.stream()
                .map(partition -> ExecutorEngine.EXECUTOR.answer(setup, partition, () -> false)).toList();
        assertEquals(alone.getFirst().texts(), alone.get(1).texts());
        List<CompletableFuture<Partition.Result>> together = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            Partition partition = partitions.get(i % 3);
            together.add(CompletableFuture.supplyAsync(() -> ExecutorEngine.EXECUTOR.answer(setup, partition,
                    () -> false), task -> Thread.ofPlatform().start(task)));
        }
        Partition endless = Partition.of(List.of(new TextRequest(new SampleKey("a", "0"), List.of(Message.user("a")),
                SamplingParams.greedy(200).withIgnoreEos(true), 0, new ModelState.Adapter(copy))), Digest::model);
        assertThrows(CancellationException.class,
                () -> ExecutorEngine.EXECUTOR.answer(setup, endless, () -> true));
        for (int i = 0; i < 12; i++) {
            assertEquals(alone.get(i % 3).texts(), together.get(i).join().texts());
        }
    }

    @Test
    void refusesInOneLineWhatDiffersOnAnExecutor() throws IOException {
        Path missing = base.resolve("adapter");
        Partition partition = Partition.of(List.of(request(new ModelState.Adapter(missing))),
                folder -> new TreeMap<>());
        String executor = "executor driver on " + InetAddress.getLocalHost().getHostName() + ": ";
        assertEquals(executor + missing + ": no such folder, expected the driver's adapter: use a folder that all"
                + " machines share",
                ExecutorEngine.EXECUTOR.answer(Json.line(setup()), partition, () -> false).refusal());

        EngineSetup here = setup();
        SortedMap<String, String> other = new TreeMap<>(here.fingerprint());
        other.put("isa", "none");
        SparkAnswerer answerer = new SparkAnswerer(spark,
                new EngineSetup(here.options(), here.sizes(), here.adapters(), other));
        assertEquals(executor + "isa is " + here.fingerprint().get("isa")
                + ", expected none as on the driver", assertThrows(InputException.class, () ->
                        answerer.answer(List.of(request(new ModelState.Base())), text -> null)).getMessage());
    }

    private static TextRequest request(ModelState weights) {
        return new TextRequest(new SampleKey("a", "0"), List.of(Message.user("Spell the word \"Ann\".")),
                SamplingParams.greedy(8), 0, weights);
    }

    private void assertSame(SortedMap<String, String> expected, String name) {
        SortedMap<String, String> found = content(name);
        assertEquals(expected.keySet(), found.keySet(), name);
        expected.forEach((file, text) -> assertEquals(text, found.get(file), () -> name + ": " + file));
    }

    private SortedMap<String, String> content(String name) {
        Path folder = base.resolve(name);
        SortedMap<String, String> content = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                if (!EXEMPT.contains(file.getFileName().toString())) {
                    content.put(folder.relativize(file).toString(),
                            Files.readString(file, StandardCharsets.ISO_8859_1));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return content;
    }
}
