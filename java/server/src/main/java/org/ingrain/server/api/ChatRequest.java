package org.ingrain.server.api;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.ingrain.template.Message;
import tools.jackson.databind.JsonNode;

/**
 * A request of {@code /v1/chat/completions}.
 *
 * @param sampling  the fields that {@code /v1/completions} has too
 * @param chat      the conversation
 * @param maxTokens maximum number of generated tokens; empty for the rest of the context
 * @param logprobs  number of most probable tokens to report for each token; -1 for no log-probabilities
 */
public record ChatRequest(SamplingFields sampling, Chat chat, Optional<Integer> maxTokens, int logprobs) {
    private static final int MAX_MESSAGES = 4096;
    private static final Set<String> NO_ROLES = Set.of("tool", "function");

    /**
     * A conversation to render with the chat template.
     *
     * @param messages            the messages
     * @param addGenerationPrompt whether the beginning of the assistant's turn is appended
     * @param enableThinking      value of the template's variable {@code enable_thinking}; empty for the server's
     *                            setting
     */
    public record Chat(List<Message> messages, boolean addGenerationPrompt, Optional<Boolean> enableThinking) {
        /** Reads the fields of a conversation. */
        public static Chat read(Fields fields) {
            List<Fields> objects = fields.objects("messages");
            if (objects.isEmpty() || objects.size() > MAX_MESSAGES) {
                throw ApiException.invalid("messages", "messages: " + objects.size() + " messages, expected 1 to "
                        + MAX_MESSAGES);
            }
            boolean add = fields.flag("add_generation_prompt", true);
            fields.unsupported("continue_final_message", SamplingFields::isFalse, "false");
            for (String name : List.of("chat_template", "documents", "mm_processor_kwargs", "media_io_kwargs")) {
                fields.unsupported(name, SamplingFields::isEmpty, "no value");
            }
            noTools(fields);
            Optional<Boolean> thinking = Optional.empty();
            Fields variables = fields.object("chat_template_kwargs");
            if (variables != null) {
                thinking = variables.has("enable_thinking")
                        ? Optional.of(variables.flag("enable_thinking", false)) : thinking;
                variables.finish();
            }
            return new Chat(objects.stream().map(Chat::message).toList(), add, thinking);
        }

        private static Message message(Fields fields) {
            String role = fields.text("role");
            if (NO_ROLES.contains(role)) {
                throw ApiException.invalid("messages", "messages: role '" + role
                        + "' is not supported, expected system, user or assistant");
            }
            String content = content(fields);
            fields.harmless(List.of("name"));   // the load generator aiperf sends it; it is not rendered
            for (String name : List.of("tool_calls", "annotations")) {
                fields.unsupported(name, SamplingFields::isEmpty, "no value");
            }
            fields.finish();
            return new Message(role, content);
        }

        private static String content(Fields fields) {
            JsonNode node = fields.node("content");
            if (node == null || !node.isString() && !node.isArray()) {
                throw fields.unexpected("content", "a text or a list of parts {\"type\": \"text\", \"text\": text}");
            }
            if (node.isString()) {
                return node.stringValue();
            }
            List<String> texts = new ArrayList<>();
            for (Fields part : fields.objects("content")) {
                String type = part.text("type");
                if (!type.equals("text")) {
                    throw part.unexpected("type", "text: other parts are not supported");
                }
                texts.add(part.text("text"));
                part.finish();
            }
            return String.join("", texts);
        }

        private static void noTools(Fields fields) {
            for (String name : List.of("tools", "functions")) {
                fields.unsupported(name, SamplingFields::isEmpty, "[]");
            }
            for (String name : List.of("tool_choice", "function_call")) {
                fields.unsupported(name, node -> node.isString()
                        && Set.of("none", "auto").contains(node.stringValue()), "none or auto");
            }
            fields.harmless(List.of("parallel_tool_calls"));
        }
    }

    /** @param maxTop maximum number of most probable tokens for each token */
    public static ChatRequest read(Fields fields, int maxTop) {
        SamplingFields sampling = SamplingFields.read(fields);
        Chat chat = Chat.read(fields);
        int tokens = fields.integer("max_completion_tokens", 0, 1, Integer.MAX_VALUE);
        int older = fields.integer("max_tokens", 0, 1, Integer.MAX_VALUE);
        tokens = tokens > 0 ? tokens : older;
        boolean logprobs = fields.flag("logprobs", false);
        int top = fields.integer("top_logprobs", 0, 0, maxTop);
        if (top > 0 && !logprobs) {
            throw ApiException.invalid("top_logprobs", "top_logprobs: given without logprobs, expected logprobs true");
        }
        fields.harmless(List.of("include_reasoning"));
        for (String name : List.of("echo", "add_special_tokens")) {
            fields.unsupported(name, SamplingFields::isFalse, "false");
        }
        fields.unsupported("modalities", node -> node.isArray() && node.size() == 1 && node.get(0).isString()
                && node.get(0).stringValue().equals("text"), "[\"text\"]");
        for (String name : List.of("audio", "prediction", "web_search_options", "prompt_logprobs",
                "reasoning_effort", "verbosity")) {
            fields.unsupported(name, node -> false, "no value");
        }
        fields.finish();
        return new ChatRequest(sampling, chat, tokens > 0 ? Optional.of(tokens) : Optional.empty(),
                logprobs ? top : -1);
    }
}
