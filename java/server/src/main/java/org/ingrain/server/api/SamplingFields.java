package org.ingrain.server.api;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * The fields that completions and chat completions have in common.
 *
 * @param model  name of the model; null for the base model
 * @param n      number of samples for each prompt
 * @param params sampling parameters, without the maximum number of tokens
 * @param stream whether the answer is streamed
 * @param usage  whether the last chunk of a stream reports the usage of the whole request
 * @param usages whether each chunk of a stream reports the usage up to this chunk
 * @param ids    whether a token is named by its id ({@code token_id:7}) instead of its text
 */
public record SamplingFields(String model, int n, SamplingParams params, boolean stream, boolean usage, boolean usages,
                             boolean ids) {
    /** Maximum number of samples for each prompt. */
    public static final int MAX_SAMPLES = 1024;
    private static final int MAX_STOPS = 16;
    private static final int MAX_STOP_LENGTH = 256;
    private static final int MAX_STOP_TOKENS = 1024;
    private static final int MAX_NAME = 1024;
    /** Fields that have no effect on the answer. */
    private static final List<String> HARMLESS = List.of("user", "metadata", "request_id", "priority", "cache_salt",
            "safety_identifier", "prompt_cache_key");
    private static final Map<String, String> NAMES = Map.of("stopTokens", "stop_token_ids");

    /**
     * Reads the common fields. After that, the caller must read the other fields and then call {@link Fields#finish}.
     */
    public static SamplingFields read(Fields fields) {
        fields.harmless(HARMLESS);
        unsupported(fields);
        int n = fields.integer("n", 1, 1, MAX_SAMPLES);
        fields.unsupported("best_of", node -> isNumber(node, n), "the value of n");
        boolean stream = fields.flag("stream", false);
        Fields options = fields.object("stream_options");
        if (options != null && !stream) {
            throw ApiException.invalid("stream_options", "stream_options: given without stream, expected stream true");
        }
        boolean usage = options != null && options.flag("include_usage", false);
        boolean usages = options != null && options.flag("continuous_usage_stats", false) && usage;
        if (options != null) {
            options.unsupported("include_obfuscation", SamplingFields::isFalse, "false");
            options.finish();
        }
        return new SamplingFields(model(fields), n, params(fields), stream, usage, usages,
                fields.flag("return_tokens_as_token_ids", false));
    }

    /** Reads the name of the model; null if it is absent. */
    public static String model(Fields fields) {
        String model = fields.text("model", null);
        if (model != null && model.length() > MAX_NAME) {
            throw ApiException.invalid("model", "model: " + model.length() + " characters, expected at most "
                    + MAX_NAME);
        }
        return model;
    }

    private static SamplingParams params(Fields fields) {
        List<String> stops = fields.texts("stop");
        if (stops.size() > MAX_STOPS || stops.stream().anyMatch(stop -> stop.length() > MAX_STOP_LENGTH)) {
            throw ApiException.invalid("stop", "stop: " + stops.size() + " strings of at most "
                    + stops.stream().mapToInt(String::length).max().orElse(0) + " characters, expected at most "
                    + MAX_STOPS + " of at most " + MAX_STOP_LENGTH + " characters");
        }
        List<Integer> stopTokens = fields.integers("stop_token_ids");
        if (stopTokens.size() > MAX_STOP_TOKENS) {
            throw ApiException.invalid("stop_token_ids", "stop_token_ids: " + stopTokens.size()
                    + " ids, expected at most " + MAX_STOP_TOKENS);
        }
        int topK = fields.integer("top_k", 0, -1, Integer.MAX_VALUE);
        long seed = fields.longInteger("seed", () -> ThreadLocalRandom.current().nextLong());
        try {
            return SamplingParams.greedy(Integer.MAX_VALUE).withTemperature(fields.number("temperature", 1))
                    .withTopP(fields.number("top_p", 1)).withTopK(Math.max(0, topK)).withSeed(seed).withStop(stops)
                    .withStopTokens(stopTokens).withIgnoreEos(fields.flag("ignore_eos", false))
                    .withMinTokens(fields.integer("min_tokens", 0, 0, Integer.MAX_VALUE))
                    .withLogitBias(fields.numbersById("logit_bias"));
        } catch (InputException refused) {
            throw ApiException.of(refused, NAMES);
        }
    }

    /** Checks the fields that are not supported. Such a field is accepted only if its value is neutral. */
    private static void unsupported(Fields fields) {
        // Sampling
        for (String name : List.of("presence_penalty", "frequency_penalty", "min_p")) {
            fields.unsupported(name, node -> isNumber(node, 0), "0");
        }
        for (String name : List.of("repetition_penalty", "length_penalty")) {
            fields.unsupported(name, node -> isNumber(node, 1), "1");
        }
        for (String name : List.of("allowed_token_ids", "bad_words", "logits_processors")) {
            fields.unsupported(name, SamplingFields::isEmpty, "[]");
        }
        for (String name : List.of("use_beam_search", "early_stopping", "include_stop_str_in_output",
                "return_token_ids", "detailed", "store")) {
            fields.unsupported(name, SamplingFields::isFalse, "false");
        }
        for (String name : List.of("skip_special_tokens", "spaces_between_special_tokens")) {
            fields.unsupported(name, node -> node.isBoolean() && node.booleanValue(), "true");
        }
        // Form of the answer
        fields.unsupported("response_format", node -> node.path("type").isString()
                && node.path("type").stringValue().equals("text"), "{\"type\": \"text\"}");
        for (String name : List.of("guided_json", "guided_regex", "guided_choice", "guided_grammar",
                "guided_decoding_backend", "guided_whitespace_pattern", "structured_outputs", "structural_tag",
                "kv_transfer_params", "vllm_xargs", "truncate_prompt_tokens", "prompt_embeds")) {
            fields.unsupported(name, SamplingFields::isEmpty, "no value");
        }
        fields.unsupported("service_tier", node -> node.isString()
                && Set.of("auto", "default").contains(node.stringValue()), "auto or default");
    }

    static boolean isNumber(JsonNode node, double value) {
        return node.isNumber() && Double.parseDouble(node.asString()) == value;   // doubleValue refuses large numbers
    }

    static boolean isFalse(JsonNode node) {
        return node.isBoolean() && !node.booleanValue();
    }

    static boolean isEmpty(JsonNode node) {
        return node.isContainer() && node.isEmpty();
    }
}
