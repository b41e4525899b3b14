package org.ingrain.cli.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.ProgressDisplay;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.DurableFile;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.GeneratorStats;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "bench",
        description = {"Measures tokens per second of sampling and training.",
    "Prints prefill, decode, several samples of one prompt, and a training step in the columns of llama-bench."},
        customSynopsis = "ingrain bench [OPTIONS] --model DIR",
        footer = {
    "  ingrain bench --model models/lab --prompt-tokens 64 --generate-tokens 32 \\",
    "    --train-tokens 64",
    "  ingrain bench --model models/tinyllama-1.1b.json --random-weights --layers 2 \\",
    "    --n 0 --train-tokens 0"})
public final class BenchCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Under(Heading.MODEL)
    @Option(names = "--random-weights",
            description = "Use random weights; --model may then be a config.json.")
    private boolean randomWeights;

    @Under(Heading.MODEL)
    @Option(names = "--layers", paramLabel = "N", description = "With --random-weights: use only the first N layers.")
    private Integer layers;

    @Under(Heading.SAMPLING)
    @Option(names = "--prompt-tokens", defaultValue = "512", split = ",", paramLabel = "N",
            description = "Tokens of the prefill test: one test per number; 0 skips the test. Other tests use the "
            + "first number (default: ${DEFAULT-VALUE}).")
    private List<Integer> promptTokens;

    @Under(Heading.SAMPLING)
    @Option(names = "--generate-tokens", defaultValue = "128", paramLabel = "N",
            description = "Tokens of the decode test; 0 skips the test (default: ${DEFAULT-VALUE}).")
    private int generateTokens;

    @Under(Heading.SAMPLING)
    @Option(names = "--n", defaultValue = "8", split = ",", paramLabel = "N",
            description = "Samples of one prompt: one test per number; 0 skips the test (default: ${DEFAULT-VALUE}).")
    private List<Integer> n;

    @Under(Heading.SAMPLING)
    @Option(names = "--requests", defaultValue = "0", paramLabel = "N",
            description = "Different prompts in one batch, one sample each; 0 skips the test (default: "
            + "${DEFAULT-VALUE}).")
    private int requests;

    @Under(Heading.SAMPLING)
    @Option(names = "--max-batch-tokens", paramLabel = "N",
            description = "Maximum number of tokens per step, at least the number of samples (default: 512; 2048 on a "
            + "GPU).")
    private Integer maxBatchTokens;

    @Under(Heading.TRAINING)
    @Option(names = "--train-tokens", defaultValue = "512", paramLabel = "N",
            description = "Tokens of the LoRA training step; 0 skips the test (default: ${DEFAULT-VALUE}).")
    private int trainTokens;

    @Under(Heading.EVALUATION)
    @Option(names = "--repetitions", defaultValue = "3", paramLabel = "N",
            description = "Timed repetitions per test, after one warm-up repetition (default: ${DEFAULT-VALUE}).")
    private int repetitions;

    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print the JSON of llama-bench instead of its table; a sampling test also "
            + "has the fields of vLLM's throughput benchmark.")
    private boolean json;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", paramLabel = "FILE",
            description = "Output file, written again after each test (default: standard output).")
    private Path output;

    @Override
    public Integer call() throws Exception {
        if (repetitions < 1 || least(promptTokens) < 0 || generateTokens < 0 || least(n) < 0 || requests < 0
                || trainTokens < 0 || maxBatchTokens != null && maxBatchTokens < 1) {
            throw new InputException("expected --repetitions of 1 or more, --max-batch-tokens of 1 or more, and no "
                    + "negative number in --prompt-tokens, --generate-tokens, --n, --requests or --train-tokens");
        }
        ModelOptions options = modelFlags.options();
        if (!randomWeights && !Files.isDirectory(options.model())) {
            throw new InputException("--model: " + options.model()
                    + ": not a model folder; a config file needs --random-weights");
        }
        if (layers != null && (!randomWeights || layers < 1)) {
            throw new InputException("--layers: " + layers + ", expected 1 or more, with --random-weights");
        }
        if (output != null) {
            DurableFile.requireOutput(output, options.model());
        }
        if (randomWeights) {
            options = options.withRandomWeights(layers == null ? 0 : layers);
        }
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            BenchModel model = new BenchModel(engine);
            String backend = options.backend() + " " + engine.context().device().isa();
            List<BenchResult> results = new ArrayList<>();
            Consumer<BenchResult> done = result -> {
                results.add(result);
                save(model, backend, results);
            };
            if (samples()) {
                sampling(engine, done);
            }
            if (trainTokens > 0) {
                int tokens = Math.min(trainTokens, engine.blueprint().maxContextLength());
                done.accept(TrainBench.measure(engine, tokens, repetitions));
            }
            if (output == null) {
                System.out.println(text(model, backend, results));
            }
        }
        return 0;
    }

    /** Writes the results of the finished tests to the output file, if there is one. */
    private void save(BenchModel model, String backend, List<BenchResult> results) {
        if (output != null) {
            DurableFile.write(output, text(model, backend, results) + "\n");
        }
    }

    private String text(BenchModel model, String backend, List<BenchResult> results) {
        return (json ? BenchResult.json(model, backend, results) : BenchResult.markdown(model, backend, results))
                .stripTrailing();
    }

    /** Returns whether at least one test uses the generator. */
    private boolean samples() {
        return most(promptTokens) > 0 || generateTokens > 0;
    }

    private GeneratorConfig config(Engine engine) {
        int positions = engine.blueprint().maxContextLength();
        int length = Math.min(positions, most(promptTokens) + generateTokens + 1 + GeneratorConfig.BLOCK_SIZE);
        int samples = Math.max(1, Math.max(most(n), requests));
        long cache = (long) (length + GeneratorConfig.BLOCK_SIZE) * (samples + 1);
        int step = Math.max(maxBatchTokens == null ? engine.defaults().maxBatchTokens() : maxBatchTokens, samples);
        return GeneratorConfig.of(Math.max(2, length), samples, step).withCacheTokens(cache).withPrefixCache(false);
    }

    private static int most(List<Integer> numbers) {
        return Collections.max(numbers);
    }

    private static int least(List<Integer> numbers) {
        return Collections.min(numbers);
    }

    private void sampling(Engine engine, Consumer<BenchResult> done) {
        GeneratorConfig config = config(engine);
        Generator generator = engine.generator(config, SilentDecoder::new);
        int vocabulary = engine.blueprint().vocabSize();
        int decode = Math.min(generateTokens, config.contextLength() - 1);
        for (int tokens : promptTokens) {
            int prefill = Math.min(tokens, config.contextLength() - 1);
            if (prefill > 0) {
                Request request = Request.of(prompt(prefill, 0, vocabulary), 1, params(1));
                done.accept(measure(new Test("pp" + prefill, prefill, 0), generator, List.of(request)));
            }
        }
        if (decode > 0) {
            Request request = Request.of(prompt(1, 0, vocabulary), 1, params(decode));
            done.accept(measure(new Test("tg" + decode, 0, decode), generator, List.of(request)));
        }
        int length = Math.max(1, Math.min(promptTokens.getFirst(), config.contextLength() - decode));
        for (int samples : n) {
            if (samples > 0 && decode > 0) {
                Test test = new Test("pp" + length + "+tg" + decode + "x" + samples, length, decode * samples);
                done.accept(
                        measure(
                                test, generator,
                                List.of(Request.of(prompt(length, 0, vocabulary), samples, params(decode)))));
            }
        }
        if (requests > 0 && decode > 0) {
            List<Request> all = IntStream.range(0, requests)
                    .mapToObj(i -> Request.of(prompt(length, i, vocabulary), 1, params(decode))).toList();
            done.accept(
                    measure(new Test(requests + "x(pp" + length + "+tg" + decode + ")", requests * length,
                            requests * decode), generator, all));
        }
    }

    private static SamplingParams params(int tokens) {
        return SamplingParams.sampled(1, 1, tokens, 1).withIgnoreEos(true);
    }

    /** A prompt of arbitrary token ids. Prompts with different values of {@code number} have no common prefix. */
    static int[] prompt(int tokens, int number, int vocabulary) {
        int[] ids = new int[tokens];
        for (int i = 0; i < tokens; i++) {
            ids[i] = (int) (((i + (long) number) * 2654435761L + 12345) % vocabulary);
        }
        return ids;
    }

    /** A test: its name, and its numbers of prompt tokens and generated tokens per repetition. */
    private record Test(String name, int prompt, int generated) {
    }

    private BenchResult measure(Test test, Generator generator, List<Request> asked) {
        long[] times = new long[repetitions];
        long[] decodes = new long[repetitions];
        GeneratorStats before = null;
        try (ProgressDisplay progress = new ProgressDisplay(test.name, "repetitions", 0, repetitions)) {
            for (int i = -1; i < repetitions; i++) {
                before = i == 0 ? generator.stats() : before;
                long start = System.nanoTime();
                long first = run(test, generator, asked);
                if (i >= 0) {
                    long end = System.nanoTime();
                    times[i] = end - start;
                    decodes[i] = end - first;
                    progress.at(i + 1);
                }
            }
        }
        Request request = asked.getFirst();
        int steps = request.params().maxTokens() - 1;
        var decode = asked.size() > 1 || steps == 0 ? null : new BenchResult.Decode(decodes, steps, request.samples());
        return new BenchResult(test.name, asked.size(), test.prompt, test.generated, times,
                generator.stats().since(before), decode);
    }

    /**
     * Runs all requests. Returns the time ({@link System#nanoTime}) at which the first generated tokens were available;
     * 0 if they became available only after the last step.
     */
    private static long run(Test test, Generator generator, List<Request> asked) {
        int tokens = asked.getFirst().params().maxTokens();
        long before = generator.stats().tokens();
        for (Request request : asked) {
            generator.submit(request, completion -> {
                if (completion.ids().length != tokens) {
                    throw new IllegalStateException(test.name + ": a sample ended early");
                }
            });
        }
        long first = 0;
        while (generator.step()) {
            first = first == 0 && generator.stats().tokens() > before ? System.nanoTime() : first;
        }
        return first;
    }

    /** A decoder that returns empty strings, so that detokenization is not part of the measured time. */
    private static final class SilentDecoder implements StreamingDecoder {
        @Override
        public String append(int id) {
            return "";
        }

        @Override
        public String flush() {
            return "";
        }
    }
}
