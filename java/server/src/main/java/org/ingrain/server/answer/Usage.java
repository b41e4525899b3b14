package org.ingrain.server.answer;

import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The usage that an answer reports.
 *
 * @param prompt    total number of tokens in the prompts
 * @param generated total number of generated tokens in the choices
 */
public record Usage(int prompt, int generated) {
    ObjectNode json() {
        return JsonMapper.shared().createObjectNode().put("prompt_tokens", prompt)
                .put("completion_tokens", generated).put("total_tokens", prompt + generated);
    }
}
