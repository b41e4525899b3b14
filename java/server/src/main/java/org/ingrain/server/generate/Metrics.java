package org.ingrain.server.generate;

import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.GeneratorLoad;
import org.ingrain.sample.Request;

/**
 * Counts requests, tokens and times, and writes them in Prometheus' text format. A metric that vLLM also has gets
 * vLLM's name. Where vLLM measures requests, this class measures samples. Thread-safe.
 */
public final class Metrics {
    private static final double[] SECONDS = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5,
        5, 7.5, 10, 20, 40, 80, 160, 640};
    private static final double[] TOKENS = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000,
        100000};
    private static final double NANOS = 1e-9;

    private final String model;
    private final LongAdder promptTokens = new LongAdder();
    private final LongAdder generatedTokens = new LongAdder();
    private final Map<FinishReason, LongAdder> finished = new EnumMap<>(FinishReason.class);
    private final LongAdder failed = new LongAdder();
    private final Histogram firstToken = new Histogram(SECONDS);
    private final Histogram betweenTokens = new Histogram(SECONDS);
    private final Histogram tokenTime = new Histogram(SECONDS);
    private final Histogram requestTime = new Histogram(SECONDS);
    private final Histogram requestPrompt = new Histogram(TOKENS);
    private final Histogram requestGenerated = new Histogram(TOKENS);

    /** @param model name of the base model, the value of the label {@code model_name} */
    public Metrics(String model) {
        this.model = model.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        for (FinishReason reason : FinishReason.values()) {
            finished.put(reason, new LongAdder());
        }
    }

    /** Measures the times of one sample. Only one thread at a time may use it. */
    final class Sample {
        private final Request request;
        private final long start;
        private long first;
        private long last;

        private Sample(Request request, long start) {
            this.request = request;
            this.start = start;
        }

        /** Records a generated token. */
        void token() {
            long now = System.nanoTime();
            generatedTokens.increment();
            if (first == 0) {
                first = now;
                promptTokens.add(request.prompt().length);
                firstToken.add((now - start) * NANOS);
            } else {
                betweenTokens.add((now - last) * NANOS);
            }
            last = now;
        }

        /** Records the end of the sample. */
        void finished(Completion completion) {
            int tokens = completion.ids().length;
            finished.get(completion.reason()).increment();
            requestTime.add((System.nanoTime() - start) * NANOS);
            requestPrompt.add(request.prompt().length);
            requestGenerated.add(tokens);
            if (tokens > 1) {
                tokenTime.add((last - first) * NANOS / (tokens - 1));
            }
        }

        /** Records a failure of the sample. */
        void failed() {
            failed.increment();
        }
    }

    /** @param start value of {@code System.nanoTime()} when the HTTP request arrived */
    Sample sample(Request request, long start) {
        return new Sample(request, start);
    }

    /** Returns all metrics in Prometheus' text format. */
    public String text(SharedGenerator generator, Models models) {
        StringBuilder out = new StringBuilder();
        GeneratorLoad load = generator.load();
        value(out, "vllm:num_requests_running", "gauge", "Samples in the running batches.", load.running());
        value(out, "vllm:num_requests_waiting", "gauge", "Samples that wait for a batch.",
                Math.max(0, generator.unfinishedSamples() - load.running()));
        value(out, "vllm:kv_cache_usage_perc", "gauge", "Used fraction of the KV cache, 0 to 1.",
                load.blocks() == 0 ? 0 : (double) load.usedBlocks() / load.blocks());
        value(out, "vllm:num_preemptions_total", "counter", "Samples evicted from the KV cache.", load.preemptions());
        value(out, "vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.",
                load.prefixTokens());
        value(out, "vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.",
                load.prefixHits());
        value(out, "vllm:prompt_tokens_total", "counter", "Prompt tokens, per sample.", promptTokens.sum());
        value(out, "vllm:generation_tokens_total", "counter", "Generated tokens.", generatedTokens.sum());
        head(out, "vllm:request_success_total", "counter", "Finished samples by finish reason.");
        finished.forEach((reason, count) -> line(out, "vllm:request_success_total", "finished_reason=\""
                + reason(reason) + "\"", count.sum()));
        value(out, "ingrain:request_failures_total", "counter", "Samples that failed.", failed.sum());
        firstToken.write(out, "vllm:time_to_first_token_seconds", "Time until the first token.");
        betweenTokens.write(out, "vllm:inter_token_latency_seconds", "Time between two tokens of a sample.");
        tokenTime.write(out, "vllm:request_time_per_output_token_seconds", "Mean time between the tokens of a sample.");
        requestTime.write(out, "vllm:e2e_request_latency_seconds", "Time until the end of a sample.");
        requestPrompt.write(out, "vllm:request_prompt_tokens", "Tokens of a sample's prompt.");
        requestGenerated.write(out, "vllm:request_generation_tokens", "Generated tokens of a sample.");
        head(out, "vllm:lora_requests_info", "gauge", "The loaded adapters.");
        line(out, "vllm:lora_requests_info", "loaded_lora_adapters=\"" + String.join(",", models.all().stream()
                .filter(Models.Model::adapter).map(one -> one.name().replaceAll("[\\\\\"\\n]", "_")).toList()) + "\"",
                1);
        value(out, "ingrain:steps_total", "counter", "Steps of the generator.", generator.stats().steps());
        return out.toString();
    }

    private static String reason(FinishReason reason) {
        return reason == FinishReason.CANCELLED ? "abort" : reason.name().toLowerCase(Locale.ROOT);
    }

    private void value(StringBuilder out, String name, String type, String help, double value) {
        head(out, name, type, help);
        line(out, name, "", value);
    }

    private static void head(StringBuilder out, String name, String type, String help) {
        out.append("# HELP ").append(name).append(' ').append(help).append("\n# TYPE ").append(name).append(' ')
                .append(type).append('\n');
    }

    private void line(StringBuilder out, String name, String label, double value) {
        out.append(name).append("{model_name=\"").append(model).append('"');
        if (!label.isEmpty()) {
            out.append(',').append(label);
        }
        out.append("} ").append(number(value)).append('\n');
    }

    private static String number(double value) {
        return value == Math.rint(value) ? String.format(Locale.ROOT, "%.1f", value) : Double.toString(value);
    }

    /** Counts values in buckets. */
    private final class Histogram {
        private final double[] bounds;
        private final long[] counts;
        private double sum;

        Histogram(double[] bounds) {
            this.bounds = bounds;
            counts = new long[bounds.length + 1];
        }

        synchronized void add(double value) {
            int bucket = 0;
            while (bucket < bounds.length && value > bounds[bucket]) {
                bucket++;
            }
            counts[bucket]++;
            sum += value;
        }

        synchronized void write(StringBuilder out, String name, String help) {
            head(out, name, "histogram", help);
            long below = 0;
            for (int i = 0; i < counts.length; i++) {
                below += counts[i];
                line(out, name + "_bucket", "le=\"" + (i < bounds.length ? number(bounds[i]) : "+Inf") + "\"", below);
            }
            line(out, name + "_sum", "", sum);
            line(out, name + "_count", "", below);
        }
    }
}
