package org.ingrain.server.answer;

import java.util.List;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.sample.Request;
import org.ingrain.server.api.CompletionRequest;
import org.ingrain.server.api.CompletionRequest.Prompt;
import org.ingrain.server.generate.Prompts;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The choices of {@code /v1/completions}. */
public final class CompletionFormat implements ChoiceFormat {
    private final CompletionRequest asked;
    private final List<Request> requests;
    private final Prompts prompts;
    /**
     * For each choice: the log-probabilities that are not sent yet. An entry is null before the choice's first token.
     */
    private final CompletionLogprobs[] logprobs;

    /** @param requests the generator's request for each prompt */
    public CompletionFormat(CompletionRequest asked, List<Request> requests, Prompts prompts) {
        this.asked = asked;
        this.requests = requests;
        this.prompts = prompts;
        logprobs = new CompletionLogprobs[requests.size() * asked.sampling().n()];
    }

    @Override
    public String idPrefix() {
        return "cmpl-";
    }

    @Override
    public String object() {
        return "text_completion";
    }

    @Override
    public String chunkObject() {
        return "text_completion";
    }

    @Override
    public ObjectNode whole(int choice, Completion completion) {
        boolean generates = asked.maxTokens() > 0;
        String text = (asked.echo() ? promptText(choice) : "") + (generates ? completion.text() : "");
        CompletionLogprobs values = logprobs(choice);
        if (values != null && asked.echo()) {
            values.add(Tokens.prompt(ids(choice), completion));
        }
        if (values != null && generates) {
            values.add(Tokens.generated(completion));
        }
        ObjectNode node = choice(choice, text, values == null ? null : values.json(), reason(completion));
        if (asked.promptLogprobs() >= 0) {
            node.set("prompt_logprobs", promptLogprobs(choice, completion));
        }
        return node;
    }

    @Override
    public ObjectNode first(int choice) {
        return asked.echo() ? choice(choice, promptText(choice), null, null) : null;
    }

    @Override
    public ObjectNode part(int choice, String text, List<GeneratedToken> tokens) {
        return choice(choice, text, part(choice, tokens), null);
    }

    @Override
    public ObjectNode last(int choice, String text, List<GeneratedToken> tokens, Completion completion) {
        return asked.maxTokens() == 0 ? choice(choice, "", null, reason(completion))
                : choice(choice, text, part(choice, tokens), reason(completion));
    }

    @Override
    public int counted(Completion completion) {
        return asked.maxTokens() == 0 ? 0 : completion.ids().length;
    }

    private String reason(Completion completion) {
        return asked.maxTokens() == 0 ? "length" : Tokens.reason(completion.reason());
    }

    private static ObjectNode choice(int choice, String text, ObjectNode logprobs, String reason) {
        ObjectNode node = JsonMapper.shared().createObjectNode().put("index", choice).put("text", text);
        node.set("logprobs", logprobs == null ? node.nullNode() : logprobs);
        return node.put("finish_reason", reason);
    }

    private ObjectNode part(int choice, List<GeneratedToken> tokens) {
        CompletionLogprobs values = logprobs(choice);
        if (values == null) {
            return null;
        }
        values.add(tokens);
        return values.json();
    }

    /** Null if log-probabilities are not requested. */
    private CompletionLogprobs logprobs(int choice) {
        if (asked.logprobs() >= 0 && logprobs[choice] == null) {
            logprobs[choice] = new CompletionLogprobs(prompts, asked.logprobs(), asked.sampling().ids(),
                    asked.echo() ? new int[0] : ids(choice));
        }
        return logprobs[choice];
    }

    private ArrayNode promptLogprobs(int choice, Completion completion) {
        ArrayNode positions = JsonMapper.shared().createArrayNode();
        for (GeneratedToken token : Tokens.prompt(ids(choice), completion)) {
            if (Float.isNaN(token.logProbability())) {
                positions.addNull();
                continue;
            }
            ObjectNode position = positions.addObject();
            put(position, token.id(), token.logProbability(), 0);
            for (int i = 0; i < Math.min(asked.promptLogprobs(), token.topIds().length); i++) {
                int id = token.topIds()[i];
                put(position, id, id == token.id() ? token.logProbability() : token.topLogProbabilities()[i], i + 1);
            }
        }
        return positions;
    }

    /** @param rank 1 for the most probable token; 0 if the rank is unknown */
    private void put(ObjectNode position, int id, float logProbability, int rank) {
        ObjectNode value = position.putObject(Integer.toString(id)).put("logprob", Tokens.finite(logProbability));
        value.set("rank", rank == 0 ? value.nullNode() : value.numberNode(rank));
        value.put("decoded_token", prompts.tokenText(id));
    }

    private int[] ids(int choice) {
        return requests.get(choice / asked.sampling().n()).prompt();
    }

    private String promptText(int choice) {
        Prompt prompt = asked.prompts().get(choice / asked.sampling().n());
        return prompt.text() == null ? prompts.decode(prompt.ids()) : prompt.text();
    }
}
