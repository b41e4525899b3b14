package org.ingrain.server;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.ingrain.engine.Fingerprint;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.server.answer.Answer;
import org.ingrain.server.answer.ChatFormat;
import org.ingrain.server.answer.ChoiceFormat;
import org.ingrain.server.answer.CompletionFormat;
import org.ingrain.server.api.ChatRequest;
import org.ingrain.server.api.CompletionRequest;
import org.ingrain.server.api.CompletionRequest.Prompt;
import org.ingrain.server.api.Fields;
import org.ingrain.server.api.SamplingFields;
import org.ingrain.server.generate.Generation;
import org.ingrain.server.generate.Generations;
import org.ingrain.server.generate.Models;
import org.ingrain.server.generate.Prompts;
import org.ingrain.server.http.Exchange;

/** The endpoints that generate text. */
final class Endpoints {
    private final Models models;
    private final Prompts prompts;
    private final Generations generations;
    private final String fingerprint;

    Endpoints(Models models, Prompts prompts, Generations generations) {
        this.models = models;
        this.prompts = prompts;
        this.generations = generations;
        fingerprint = "ingrain-" + Fingerprint.version();
    }

    void completions(Exchange exchange) {
        Fields fields = exchange.fields();
        CompletionRequest asked = CompletionRequest.read(fields, Request.MAX_TOP_TOKENS);
        SamplingFields sampling = asked.sampling();
        models.require(sampling.model());
        List<Request> requests = new ArrayList<>();
        for (Prompt prompt : asked.prompts()) {
            int[] ids = prompts.encode(prompt, asked.addSpecial());
            SamplingParams params = prompts.limited(sampling.params(), ids.length,
                    Optional.of(asked.maxTokens()), "prompt");
            requests.add(new Request(ids, sampling.n(), 0, params, -1, asked.scoresPrompt()).withContinuesText(true)
                    .withTopTokens(Math.max(0, Math.max(asked.logprobs(), asked.promptLogprobs()))));
        }
        run(exchange, sampling, requests, new CompletionFormat(asked, requests, prompts));
    }

    void chat(Exchange exchange) {
        ChatRequest asked = ChatRequest.read(exchange.fields(), Request.MAX_TOP_TOKENS);
        SamplingFields sampling = asked.sampling();
        models.require(sampling.model());
        int[] ids = prompts.encode(asked.chat());
        SamplingParams params = prompts.limited(sampling.params(), ids.length, asked.maxTokens(), "messages");
        Request request = new Request(ids, sampling.n(), 0, params, -1, false)
                .withTopTokens(Math.max(0, asked.logprobs()));
        run(exchange, sampling, List.of(request), new ChatFormat(asked, prompts));
    }

    /**
     * @param requests requests to the base model. This method changes their adapter slot to the slot of the model that
     *                 {@code sampling} names
     */
    private void run(Exchange exchange, SamplingFields sampling, List<Request> requests, ChoiceFormat format) {
        Models.Model[] model = {null};
        try (Generation generation = models.submit(sampling.model(), found -> {
            model[0] = found;
            return generations.start(requests.stream().map(request -> to(found, request)).toList(), sampling.stream(),
                    exchange.connection()::close);
        })) {
            exchange.connection().onEnd(generation::abandon);
            String name = model[0].adapter() ? model[0].name() : models.base().name();
            new Answer(format, sampling, generation, name, fingerprint).write(exchange);
        } finally {
            exchange.connection().onEnd(null);
        }
    }

    private static Request to(Models.Model model, Request request) {
        return new Request(request.prompt(), request.samples(), request.firstSample(), request.params(), model.slot(),
                request.promptLogProbabilities(), request.continuesText(), request.topTokens());
    }
}
