package org.ingrain.cli.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.ingrain.sample.GeneratorStats;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The result of one test. The columns of its table row are those of llama-bench.
 *
 * @param test      name of the test, such as pp512, tg128, pp512+tg128x8 (eight samples of one prompt) or train512
 * @param requests  number of prompts per repetition; 0 if the test does not use the generator
 * @param prompt    number of prompt tokens per repetition
 * @param generated number of generated tokens per repetition
 * @param samplesNs time of each repetition, in nanoseconds
 * @param stats     statistics of the generator over all repetitions; null if the test does not use the generator
 * @param decode    times of the decoding steps; null if several prompts were computed in one batch, or there was no
 *                  decoding step
 */
record BenchResult(String test, int requests, int prompt, int generated, long[] samplesNs, GeneratorStats stats,
                   Decode decode) {
    /**
     * The steps after the prompt. In each of these steps, every sample gets one token.
     *
     * @param ns      total time of these steps in each repetition, in nanoseconds
     * @param steps   number of these steps per repetition
     * @param samples number of samples in each step
     */
    record Decode(long[] ns, int steps, int samples) {
        double tokensPerSecond() {
            return mean(Arrays.stream(ns).mapToDouble(time -> 1e9 * samples * steps / time).toArray());
        }

        long stepNs() {
            return Math.round(mean(Arrays.stream(ns).asDoubleStream().toArray()) / steps);
        }
    }

    /**
     * Number of tokens per repetition that the rate counts: the generated tokens or, if there are none, the prompt
     * tokens.
     */
    private int counted() {
        return generated > 0 ? generated : prompt;
    }

    private double[] tokensPerSecond() {
        return Arrays.stream(samplesNs).mapToDouble(ns -> counted() * 1e9 / ns).toArray();
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).average().orElse(0);
    }

    private static double deviation(double[] values) {
        double mean = mean(values);
        return values.length < 2 ? 0 : Math.sqrt(Arrays.stream(values).map(v -> (v - mean) * (v - mean))
                .sum() / (values.length - 1));
    }

    static String markdown(BenchModel model, String backend, List<BenchResult> results) {
        StringBuilder table = new StringBuilder("| model | size | params | backend | test | t/s | host wait |\n"
                + "| --- | ---: | ---: | --- | --- | ---: | ---: |\n");
        for (BenchResult result : results) {
            table.append(String.format(Locale.ROOT, "| %s | %.2f MiB | %.2f M | %s | %s | %.2f ± %.2f | %s |%n",
                    model.name(), model.bytes() / 0x1p20, model.parameters() / 1e6, backend, result.test,
                    mean(result.tokensPerSecond()), deviation(result.tokensPerSecond()), result.hostWait()));
        }
        return table.toString();
    }

    /** Percentage of the total step time during which the device waited for the host. */
    private String hostWait() {
        return stats == null ? "" : String.format(Locale.ROOT, "%.1f %%", 100 * stats.hostWaitShare());
    }

    /**
     * Used device memory in bytes after the finished tests. This value is also the peak, because no memory is freed
     * between tests.
     */
    private static long used(BenchModel model) {
        return model.engine().context().memoryInfo().total() - model.engine().context().memoryInfo().free();
    }

    static String json(BenchModel model, String backend, List<BenchResult> results) {
        JsonMapper mapper = JsonMapper.shared();
        ArrayNode array = mapper.createArrayNode();
        for (BenchResult result : results) {
            double[] ns = Arrays.stream(result.samplesNs).asDoubleStream().toArray();
            ObjectNode node = array.addObject();
            node.put("model_type", model.name()).put("model_size", model.bytes());
            node.put("model_n_params", model.parameters());
            node.put("backends", backend).put("test", result.test).put("n_prompt", result.prompt)
                    .put("n_gen", result.generated);
            node.put("avg_ns", Math.round(mean(ns))).put("stddev_ns", Math.round(deviation(ns)));
            node.put("avg_ts", mean(result.tokensPerSecond())).put("stddev_ts", deviation(result.tokensPerSecond()));
            node.put("layers", model.engine().blueprint().numHiddenLayers()).put("device_memory_used", used(model));
            node.set("fallbacks", mapper.valueToTree(model.engine().context().fallbacks()));
            if (result.stats != null) {
                node.put("steps", result.stats.steps()).put("host_wait_share", result.stats.hostWaitShare());
                node.put("graph_replays", result.stats.graphReplays())
                        .put("graph_captures", result.stats.graphCaptures());
                node.put("eager_steps", result.stats.eagerSteps());
                result.putThroughput(node);
            }
            if (result.decode != null) {
                node.put("decode_ts", result.decode.tokensPerSecond()).put("step_ns", result.decode.stepNs());
            }
            node.set("samples_ns", mapper.valueToTree(result.samplesNs));
            node.set("samples_ts", mapper.valueToTree(result.tokensPerSecond()));
        }
        return array.toPrettyString();
    }

    /** Adds the fields that vLLM's throughput benchmark writes. They cover all repetitions. */
    private void putThroughput(ObjectNode node) {
        double seconds = Arrays.stream(samplesNs).sum() / 1e9;
        long count = (long) requests * samplesNs.length;
        long tokens = ((long) prompt + generated) * samplesNs.length;
        node.put("elapsed_time", seconds).put("num_requests", count).put("total_num_tokens", tokens)
                .put("requests_per_second", count / seconds).put("tokens_per_second", tokens / seconds);
    }
}
