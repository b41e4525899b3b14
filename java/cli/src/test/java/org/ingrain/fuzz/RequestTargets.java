package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.List;
import java.util.function.Consumer;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.api.ChatRequest;
import org.ingrain.server.api.CompletionRequest;
import org.ingrain.server.api.Fields;
import org.ingrain.tensor.InputException;

/** Bodies of HTTP requests. */
final class RequestTargets {
    private static final int MAX_TOP = 20;
    private static final String CHAT = """
            {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content":
             [{"type": "text", "text": "Hi"}]}], "max_completion_tokens": 4, "logprobs": true, "top_logprobs": 2,
             "n": 2, "temperature": 0.5, "top_p": 0.9, "top_k": -1, "seed": 7, "stop": ["x"], "stream": true,
             "stream_options": {"include_usage": true}, "logit_bias": {"1": -100}, "stop_token_ids": [1],
             "chat_template_kwargs": {"enable_thinking": false}, "tools": [], "response_format": {"type": "text"}}
            """;
    private static final String COMPLETION = """
            {"prompt": ["a", [1, 2]], "max_tokens": 0, "echo": true, "logprobs": 2, "n": 1, "best_of": 1,
             "stop": "x", "prompt_logprobs": 1, "add_special_tokens": false, "presence_penalty": 0.0,
             "repetition_penalty": 1, "min_tokens": 0, "user": "u"}
            """;

    static final List<Targets.Entry> ALL = List.of(
            new Targets.Entry("chat-request", (name, folder) ->
                    request(name, CHAT, fields -> ChatRequest.read(fields, MAX_TOP))),
            new Targets.Entry("completion-request", (name, folder) ->
                    request(name, COMPLETION, fields -> CompletionRequest.read(fields, MAX_TOP))));

    private RequestTargets() {
    }

    private static Target request(String name, String seed, Consumer<Fields> read) {
        return new Target(name, Format.JSON, List.of(seed.getBytes(UTF_8)), body -> {
            try {
                read.accept(Fields.parse(body));
            } catch (ApiException refused) {
                throw new InputException(refused.getMessage(), refused);
            }
        });
    }
}
