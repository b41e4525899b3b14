package org.ingrain.server.answer;

import java.util.List;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.server.api.ChatRequest;
import org.ingrain.server.generate.Prompts;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The choices of {@code /v1/chat/completions}. */
public final class ChatFormat implements ChoiceFormat {
    private final ChatRequest asked;
    private final Prompts prompts;

    public ChatFormat(ChatRequest asked, Prompts prompts) {
        this.asked = asked;
        this.prompts = prompts;
    }

    @Override
    public String idPrefix() {
        return "chatcmpl-";
    }

    @Override
    public String object() {
        return "chat.completion";
    }

    @Override
    public String chunkObject() {
        return "chat.completion.chunk";
    }

    @Override
    public ObjectNode whole(int choice, Completion completion) {
        ObjectNode node = JsonMapper.shared().createObjectNode().put("index", choice);
        node.putObject("message").put("role", "assistant").put("content", completion.text()).putNull("refusal");
        return ended(node, asked.logprobs() < 0 ? null : Tokens.generated(completion),
                Tokens.reason(completion.reason()));
    }

    @Override
    public ObjectNode first(int choice) {
        ObjectNode node = JsonMapper.shared().createObjectNode().put("index", choice);
        node.putObject("delta").put("role", "assistant").put("content", "");
        return ended(node, null, null);
    }

    @Override
    public ObjectNode part(int choice, String text, List<GeneratedToken> tokens) {
        return delta(choice, text, tokens, null);
    }

    @Override
    public ObjectNode last(int choice, String text, List<GeneratedToken> tokens, Completion completion) {
        return delta(choice, text, tokens, Tokens.reason(completion.reason()));
    }

    @Override
    public int counted(Completion completion) {
        return completion.ids().length;
    }

    private ObjectNode delta(int choice, String text, List<GeneratedToken> tokens, String reason) {
        ObjectNode node = JsonMapper.shared().createObjectNode().put("index", choice);
        ObjectNode delta = node.putObject("delta");
        if (!text.isEmpty()) {
            delta.put("content", text);
        }
        return ended(node, asked.logprobs() < 0 || tokens.isEmpty() ? null : tokens, reason);
    }

    /** Adds logprobs and finish_reason to a choice. */
    private ObjectNode ended(ObjectNode node, List<GeneratedToken> tokens, String reason) {
        if (tokens == null) {
            node.putNull("logprobs");
        } else {
            ArrayNode content = node.putObject("logprobs").putArray("content");
            tokens.forEach(token -> add(content, token));
        }
        return node.put("finish_reason", reason);
    }

    private void add(ArrayNode content, GeneratedToken token) {
        ArrayNode top = value(content.addObject(), token.id(), token.logProbability()).putArray("top_logprobs");
        for (int i = 0; i < Math.min(asked.logprobs(), token.topIds().length); i++) {
            int id = token.topIds()[i];
            value(top.addObject(), id, id == token.id() ? token.logProbability() : token.topLogProbabilities()[i]);
        }
    }

    private ObjectNode value(ObjectNode node, int id, float logProbability) {
        node.put("token", asked.sampling().ids() ? "token_id:" + id : prompts.tokenText(id))
                .put("logprob", Tokens.finite(logProbability));
        ArrayNode bytes = node.putArray("bytes");
        for (byte one : prompts.tokenBytes(id)) {
            bytes.add(one & 0xff);
        }
        return node;
    }
}
