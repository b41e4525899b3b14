package org.ingrain.cli;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.PromptFile.Prompt;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.RecipeFlag;
import org.ingrain.cli.flags.SamplingFlags;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.cli.progress.ProgressDisplay;
import org.ingrain.engine.AdapterSlots;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.DurableFile;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorStats;
import org.ingrain.sample.Request;
import org.ingrain.sample.TopTokens;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

@Command(name = "generate",
        description = {"Completes prompts.",
    "Streams a single completion to standard output. Computes several completions in one batch."},
        customSynopsis = "ingrain generate [OPTIONS] --model DIR --prompt TEXT",
        footer = {
    "  ingrain generate --model models/lab --prompt 'Spell the word \"Ann\".'",
    "  ingrain generate --model models/lab --prompt 'Spell the word \"Ann\".' \\",
    "    --n 8 --temperature 0.7 --seed 1 --json",
    "  ingrain generate --model models/lab --raw --prompt 'Take the last' \\",
    "    --max-tokens 8"})
final class GenerateCommand implements Callable<Integer> {
    /** Maximum number of completions. More completions would not fit into memory. */
    private static final int MOST_SAMPLES = 1_000_000;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private RecipeFlag recipe;

    @Mixin
    private TemplateFlags templateFlags;

    @Under(Heading.MODEL)
    @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT LoRA adapter to apply to the model.")
    private Path adapter;

    @Under(Heading.SAMPLING)
    @Option(names = "--n", defaultValue = "1", paramLabel = "N",
            description = "Completions per prompt (default: ${DEFAULT-VALUE}).")
    private int samples;

    @Mixin
    private SamplingFlags sampling;

    @Under(Heading.SAMPLING)
    @Option(names = "--first-sample", defaultValue = "0", paramLabel = "I",
            description = "Number of the first completion, counted from 0. --first-sample 3 --n 1 draws the "
            + "fourth completion of --n 8 again (default: ${DEFAULT-VALUE}).")
    private int firstSample;

    @Mixin
    private BatchFlags batch;

    @Under(Heading.DATA)
    @Option(names = "--prompt", paramLabel = "TEXT", description = "Prompt. Repeatable.")
    private List<String> prompts = List.of();

    @Under(Heading.DATA)
    @Option(names = "--prompts", paramLabel = "FILE",
            description = "File with one prompt per line, or rows (.json, .jsonl, .csv, .parquet) with prompt, "
            + "question, text or messages; - reads lines from standard input.")
    private Path promptFile;

    @Under(Heading.DATA)
    @Option(names = "--system", paramLabel = "TEXT",
            description = "System message before each prompt (default: that of a row's messages).")
    private String system;

    @Under(Heading.DATA)
    @Option(names = "--raw", description = "Do not apply the chat template: encode BOS and the prompt as given.")
    private boolean raw;

    @Under(Heading.OUTPUT)
    @Option(names = "--json",
            description = "Print one JSON object per completion: prompt, prompt_text, text, ids, log_probabilities, "
            + "finish_reason. "
            + "Log-probabilities are the model's, before temperature, --top-p and --top-k.")
    private boolean json;

    @Under(Heading.OUTPUT)
    @Option(names = "--prompt-log-probabilities",
            description = "With --json: print log-probabilities of the prompt's tokens too.")
    private boolean promptLogProbabilities;

    @Under(Heading.OUTPUT)
    @Option(names = "--top-tokens", defaultValue = "0", paramLabel = "N",
            description = "With --json: print the N most probable tokens at each position, at most "
            + Request.MAX_TOP_TOKENS + " (default: ${DEFAULT-VALUE}).")
    private int topTokens;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", paramLabel = "FILE",
            description = "Output file (default: standard output).")
    private Path output;

    @Override
    public Integer call() {
        List<Prompt> questions = questions();
        if (questions.isEmpty()) {
            throw new InputException("--prompt: none given, expected --prompt TEXT or --prompts FILE");
        }
        if (samples < 1 || (long) samples * questions.size() > MOST_SAMPLES) {
            throw new InputException("--n: " + samples + " with " + questions.size() + " prompts, expected 1 or more, "
                    + "and at most " + MOST_SAMPLES + " completions");
        }
        if (firstSample > Integer.MAX_VALUE - samples) {
            throw new InputException("--first-sample: " + firstSample + ", expected at most "
                    + (Integer.MAX_VALUE - samples) + " with --n " + samples);
        }
        if (raw && templateFlags.given()) {
            throw new InputException("--enable-thinking: given with --raw, which renders no chat template");
        }
        if (raw && (system != null || questions.stream().anyMatch(prompt -> !prompt.before().isEmpty()))) {
            throw new InputException(system != null ? "--system: given with --raw, which renders no messages"
                    : "--raw: given with prompts of several messages, expected none");
        }
        sampling.params();
        ModelOptions options = templateFlags.apply(modelFlags.options());
        if (output != null) {
            DurableFile.requireOutput(output, promptFile, options.model(), adapter);
        }
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            Generator generator = engine.generator(batch.config(engine),
                    adapter == null ? null : engine.adapter(adapter));
            if (!raw && engine.template().isDefault()) {
                System.err.println("chat template: none in " + options.model() + ", so Llama 2's is used; --raw "
                        + "continues the prompt without a template");
            }
            int slot = adapter == null ? -1 : new AdapterSlots(generator, engine).load(adapter);
            List<Request> requests = questions.stream().map(question -> request(engine, question, slot)).toList();
            boolean stream = requests.size() == 1 && samples == 1 && !json && output == null;
            Instant start = Instant.now();
            List<List<Completion>> results = stream ? stream(generator, requests.getFirst())
                    : all(generator, requests, questions);
            report(requests, results, Duration.between(start, Instant.now()), generator.stats());
        }
        return 0;
    }

    private List<Prompt> questions() {
        List<Prompt> questions = new ArrayList<>(prompts.stream().map(Prompt::of).toList());
        if (promptFile != null) {
            questions.addAll(PromptFile.read(promptFile));
        }
        return questions;
    }

    private Request request(Engine engine, Prompt question, int slot) {
        int[] ids = raw ? engine.tokenizer().encodeBegin(question.text()) : engine.encode(messages(question));
        return new Request(ids, samples, firstSample, sampling.params(), slot, promptLogProbabilities)
                .withContinuesText(raw).withTopTokens(topTokens);
    }

    private List<Message> messages(Prompt question) {
        List<Message> messages = new ArrayList<>(question.before());
        if (system != null) {
            messages.removeIf(message -> message.role().equals("system"));
            messages.addFirst(Message.system(system));
        }
        messages.add(Message.user(question.text()));
        return messages;
    }

    private List<List<Completion>> stream(Generator generator, Request request) {
        List<Completion> completions = new ArrayList<>();
        generator.submit(request, new GenerationListener() {
            @Override
            public void text(int sample, String piece) {
                System.out.print(piece);
            }

            @Override
            public void finished(Completion completion) {
                System.out.println();
                completions.add(completion);
            }
        });
        while (generator.step()) {
            continue;
        }
        return List.of(completions);
    }

    private List<List<Completion>> all(Generator generator, List<Request> requests, List<Prompt> questions) {
        List<List<Completion>> results = run(generator, requests);
        StringBuilder text = new StringBuilder();
        for (int p = 0; p < results.size(); p++) {
            for (Completion completion : results.get(p)) {
                text.append(json ? toJson(p, questions.get(p).text(), completion) : completion.text()).append('\n');
            }
        }
        if (output == null) {
            System.out.print(text);
        } else {
            DurableFile.write(output, text.toString());
        }
        return results;
    }

    /**
     * Runs all requests with a progress bar. Returns the completions of each request, in ascending order of the
     * samples.
     */
    private static List<List<Completion>> run(Generator generator, List<Request> requests) {
        long of = requests.stream().mapToLong(Request::samples).sum();
        long[] done = {0};
        List<List<Completion>> results = new ArrayList<>();
        try (ProgressDisplay progress = new ProgressDisplay("generate", "samples", 0, of)) {
            for (Request request : requests) {
                Completion[] completions = new Completion[request.samples()];
                results.add(Arrays.asList(completions));
                generator.submit(request, completion -> {
                    completions[completion.sample() - request.firstSample()] = completion;
                    progress.at(++done[0]);
                });
            }
            while (generator.step()) {
                continue;
            }
        }
        return results;
    }

    private String toJson(int prompt, String promptText, Completion completion) {
        ObjectNode node = JsonMapper.shared().createObjectNode();
        node.put("prompt", prompt);
        node.put("prompt_text", promptText);
        node.put("sample", completion.sample());
        node.put("text", completion.text());
        node.put("finish_reason", completion.reason().name().toLowerCase(Locale.ROOT));
        node.set("ids", JsonMapper.shared().valueToTree(completion.ids()));
        node.set("log_probabilities", JsonMapper.shared().valueToTree(completion.logProbabilities()));
        if (completion.promptLogProbabilities() != null) {
            var values = node.putArray("prompt_log_probabilities");
            for (float value : completion.promptLogProbabilities()) {
                if (Float.isNaN(value)) {
                    values.addNull();
                } else {
                    values.add(value);
                }
            }
        }
        put(node, "top_tokens", completion.topTokens());
        put(node, "prompt_top_tokens", completion.promptTopTokens());
        return node.toString();
    }

    /**
     * Writes one list for each position; writes nothing if {@code top} is null. The elements of a list are objects with
     * the fields id and log_probability. The most probable token comes first. A position without top tokens gets null
     * instead of a list.
     */
    private static void put(ObjectNode node, String name, TopTokens top) {
        if (top == null) {
            return;
        }
        ArrayNode positions = node.putArray(name);
        for (int position = 0; position < top.positions(); position++) {
            if (top.id(position, 0) < 0) {
                positions.addNull();
                continue;
            }
            ArrayNode tokens = positions.addArray();
            for (int rank = 0; rank < top.n(); rank++) {
                tokens.addObject().put("id", top.id(position, rank))
                        .put("log_probability", top.logProbability(position, rank));
            }
        }
    }

    private static void report(List<Request> requests, List<List<Completion>> results, Duration time,
            GeneratorStats stats) {
        long prompt = requests.stream().mapToLong(request -> request.prompt().length).sum();
        long generated = results.stream().flatMap(List::stream).mapToLong(completion -> completion.ids().length).sum();
        double seconds = Math.max(1e-3, time.toMillis() / 1e3);
        System.err.printf(
                Locale.ROOT,
                "%d prompt tokens, %d generated in %.2f s: %.1f tokens/s; the device waited for the host %.1f %% of "
                + "the time%n", prompt, generated, seconds, generated / seconds, 100 * stats.hostWaitShare());
    }
}
