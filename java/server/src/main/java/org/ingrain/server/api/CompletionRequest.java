package org.ingrain.server.api;

import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/**
 * A request of {@code /v1/completions}.
 *
 * @param sampling         the fields that {@code /v1/chat/completions} has too
 * @param prompts          the prompts
 * @param addSpecial       whether BOS is added to prompts that are texts
 * @param echo             whether the text of a choice starts with the prompt
 * @param maxTokens        maximum number of generated tokens; with 0, only the prompt is computed
 * @param logprobs         number of most probable tokens to report for each token; -1 for no log-probabilities
 * @param promptLogprobs   number of most probable tokens to report in prompt_logprobs; -1 for no prompt_logprobs
 */
public record CompletionRequest(SamplingFields sampling, List<Prompt> prompts, boolean addSpecial, boolean echo,
                                int maxTokens, int logprobs, int promptLogprobs) {
    /** Maximum number of prompts in a request. */
    private static final int MAX_PROMPTS = 4096;
    private static final int DEFAULT_TOKENS = 16;

    /**
     * A prompt in the form in which it was sent.
     *
     * @param text the text, or null
     * @param ids  the token ids; null if the prompt is a text
     */
    public record Prompt(String text, int[] ids) {
    }

    /** @param maxTop largest allowed value of logprobs and prompt_logprobs */
    public static CompletionRequest read(Fields fields, int maxTop) {
        SamplingFields sampling = SamplingFields.read(fields);
        List<Prompt> prompts = prompts(fields);
        boolean echo = fields.flag("echo", false);
        int logprobs = fields.integer("logprobs", -1, 0, maxTop);
        int promptLogprobs = fields.integer("prompt_logprobs", -1, 0, maxTop);
        int maxTokens = fields.integer("max_tokens", DEFAULT_TOKENS, 0, Integer.MAX_VALUE);
        if (maxTokens == 0 && !echo && promptLogprobs < 0) {
            throw ApiException.invalid("max_tokens", "max_tokens: 0 without echo, expected 1 or more");
        }
        if (sampling.stream() && promptLogprobs >= 0) {
            throw ApiException.invalid("prompt_logprobs", "prompt_logprobs: not supported with stream");
        }
        if (sampling.stream() && echo && logprobs >= 0) {
            throw ApiException.invalid("logprobs", "logprobs: not supported with echo and stream together");
        }
        fields.unsupported("suffix", node -> node.isString() && node.stringValue().isEmpty(), "no suffix");
        boolean addSpecial = fields.flag("add_special_tokens", true);
        fields.finish();
        return new CompletionRequest(sampling, prompts, addSpecial, echo, maxTokens, logprobs, promptLogprobs);
    }

    /** Whether log-probabilities of the prompt are needed. */
    public boolean scoresPrompt() {
        return promptLogprobs >= 0 || echo && logprobs >= 0;
    }

    private static List<Prompt> prompts(Fields fields) {
        JsonNode node = fields.node("prompt");
        if (node == null || !node.isString() && !node.isArray() || node.isArray() && node.isEmpty()) {
            throw kind(fields);
        }
        if (node.isString() || node.get(0).isNumber()) {
            return List.of(prompt(fields, node));
        }
        if (node.size() > MAX_PROMPTS) {
            throw ApiException.invalid("prompt", "prompt: " + node.size() + " prompts, expected at most "
                    + MAX_PROMPTS);
        }
        List<Prompt> prompts = new ArrayList<>();
        for (JsonNode element : node.values()) {
            prompts.add(prompt(fields, element));
        }
        return prompts;
    }

    private static Prompt prompt(Fields fields, JsonNode node) {
        if (node.isString()) {
            return new Prompt(node.stringValue(), null);
        }
        if (!node.isArray() || node.isEmpty()) {
            throw kind(fields);
        }
        int[] ids = new int[node.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = node.get(i);
            if (!id.isIntegralNumber() || !id.canConvertToInt()) {
                throw kind(fields);
            }
            ids[i] = id.intValue();
        }
        return new Prompt(null, ids);
    }

    private static ApiException kind(Fields fields) {
        return fields.unexpected("prompt", "a text, a list of texts, a list of token ids, or a list of such lists");
    }
}
