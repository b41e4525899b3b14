package org.ingrain.server.answer;

import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Numbers of tokens of a request.
 *
 * @param prompt    tokens of all prompts
 * @param generated generated tokens of all choices
 */
public record Usage(int prompt, int generated) {
    ObjectNode json() {
        return JsonMapper.shared().createObjectNode().put("prompt_tokens", prompt)
                .put("completion_tokens", generated).put("total_tokens", prompt + generated);
    }
}
