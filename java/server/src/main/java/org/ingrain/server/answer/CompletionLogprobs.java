package org.ingrain.server.answer;

import java.util.List;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.server.generate.Prompts;
import org.ingrain.tokenizer.StreamingDecoder;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The field logprobs of a choice of {@code /v1/completions}: tokens, token_logprobs, top_logprobs and text_offset. The
 * offset of a token is the length, in UTF-16 code units, of the choice's text before the token.
 */
final class CompletionLogprobs {
    private final Prompts prompts;
    private final int top;
    private final boolean ids;
    private final StreamingDecoder decoder;
    private int offset;
    private ObjectNode node = empty();

    /**
     * @param top    number of most probable tokens to report
     * @param ids    whether a token is named by its id instead of its text
     * @param before the ids of the tokens before the choice's text; they are decoded, but do not count in the offsets
     */
    CompletionLogprobs(Prompts prompts, int top, boolean ids, int[] before) {
        this.prompts = prompts;
        this.top = top;
        this.ids = ids;
        decoder = prompts.decoder();
        for (int id : before) {
            decoder.append(id);
        }
    }

    private static ObjectNode empty() {
        ObjectNode node = JsonMapper.shared().createObjectNode();
        List.of("tokens", "token_logprobs", "top_logprobs", "text_offset").forEach(node::putArray);
        return node;
    }

    /** The values of the tokens that were added after the previous call. */
    ObjectNode json() {
        ObjectNode added = node;
        node = empty();
        return added;
    }

    void add(List<GeneratedToken> tokens) {
        for (GeneratedToken token : tokens) {
            array("tokens").add(name(token.id()));
            array("text_offset").add(offset);
            offset += decoder.append(token.id()).length();
            if (Float.isNaN(token.logProbability())) {
                array("token_logprobs").addNull();
                array("top_logprobs").addNull();
            } else {
                array("token_logprobs").add(Tokens.finite(token.logProbability()));
                array("top_logprobs").add(top(token));
            }
        }
    }

    /**
     * Returns the most probable tokens and the token itself. The token's log-probability is the same as in
     * token_logprobs, because clients compare the two. If several tokens have the same name, the result contains only
     * the most probable one.
     */
    private ObjectNode top(GeneratedToken token) {
        ObjectNode values = JsonMapper.shared().createObjectNode();
        for (int i = 0; i < Math.min(top, token.topIds().length); i++) {
            String name = name(token.topIds()[i]);
            if (!values.has(name)) {
                values.put(name, Tokens.finite(token.topIds()[i] == token.id() ? token.logProbability()
                        : token.topLogProbabilities()[i]));
            }
        }
        String own = name(token.id());
        return values.has(own) ? values : values.put(own, Tokens.finite(token.logProbability()));
    }

    private String name(int id) {
        return ids ? "token_id:" + id : prompts.tokenText(id);
    }

    private ArrayNode array(String field) {
        return (ArrayNode) node.get(field);
    }
}
