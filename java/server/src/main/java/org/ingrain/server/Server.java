package org.ingrain.server;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.ingrain.engine.Engine;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.generate.Generations;
import org.ingrain.server.generate.Metrics;
import org.ingrain.server.generate.Models;
import org.ingrain.server.generate.Prompts;
import org.ingrain.server.http.Exchange;
import org.ingrain.server.http.HttpListener;

/**
 * An HTTP server with OpenAI's API for one model. All requests share one batch of the generator. Thread-safe.
 * <pre>
 *   HttpListener ──► Router ──► Endpoints ──► Generations ──► SharedGenerator
 *   a virtual thread for each connection                      a thread of its own
 *        ◄──────────── Answer ◄──────────── Generation ◄────── events
 * </pre>
 */
public final class Server implements AutoCloseable {
    private static final Duration POLL = Duration.ofMillis(10);

    private final SharedGenerator generator;
    private final Models models;
    private final Generations generations;
    private final Router router;
    private final HttpListener listener;

    /**
     * Loads the model and starts listening. The engine must stay open until the server is closed.
     *
     * @throws org.ingrain.tensor.InputException if a setting is invalid, if there is not enough memory, or if the
     *         address cannot be used
     */
    public Server(Engine engine, ServerConfig config) {
        HttpListener.requireFree(config.host(), config.port());   // before the weights are loaded
        generator = new SharedGenerator(engine, config.batch(), Adapters.limits(engine, config));
        try {
            Path folder = engine.options().model();
            List<String> names = config.modelNames().isEmpty() ? List.of(folder.toString()) : config.modelNames();
            models = new Models(generator, names, folder);
            config.adapters().forEach(models::load);
            Prompts prompts = new Prompts(engine, config.batch().contextLength());
            Metrics metrics = new Metrics(names.getFirst());
            generations = new Generations(generator, metrics, config.maxQueue(),
                    config.requestTimeout().orElse(null));
            router = new Router(config.apiKey());
            routes(new Endpoints(models, prompts, generations), new Information(models, prompts), metrics);
            listener = new HttpListener(config.host(), config.port(), router);
        } catch (RuntimeException e) {
            generator.close();
            throw e;
        }
    }

    private void routes(Endpoints endpoints, Information information, Metrics metrics) {
        router.get("/", new Page()::send);
        router.get("/health", this::health);
        router.get("/ping", this::health);
        router.get("/version", information::version);
        router.get("/metrics", exchange -> exchange.send(200, "text/plain; version=0.0.4; charset=utf-8",
                metrics.text(generator, models).getBytes(StandardCharsets.UTF_8)));
        router.get("/v1/models", information::models);
        router.get(Information.MODELS, information::model);
        router.post("/tokenize", information::tokenize);
        router.post("/detokenize", information::detokenize);
        router.post("/v1/completions", endpoints::completions);
        router.post("/v1/chat/completions", endpoints::chat);
        router.post("/v1/load_lora_adapter", information::loadAdapter);
        router.post("/v1/unload_lora_adapter", information::unloadAdapter);
    }

    private void health(Exchange exchange) {
        if (router.draining()) {
            throw ApiException.unavailable("the server is shutting down");
        }
        generator.failure().ifPresent(failure -> {
            throw ApiException.unavailable("the generator has failed: " + failure.getMessage());
        });
        exchange.send(200, "application/json", new byte[0]);
    }

    /** The port on which the server listens. */
    public int port() {
        return listener.port();
    }

    /** The models that requests can name. */
    public Models models() {
        return models;
    }

    /** The number of submitted samples that are not finished. */
    public int unfinishedSamples() {
        return generator.unfinishedSamples();
    }

    /** The number of HTTP requests that are in progress. */
    public int activeRequests() {
        return router.active();
    }

    /**
     * Refuses new POST requests and waits until no request is in progress, at most for the given time. Returns whether
     * no request is in progress. The server still answers GET requests until it is closed.
     *
     * @throws InterruptedException if the waiting thread is interrupted
     */
    public boolean drain(Duration limit) throws InterruptedException {
        router.drain();
        long end = System.nanoTime() + limit.toNanos();
        while (router.active() > 0 && System.nanoTime() < end) {
            Thread.sleep(POLL);
        }
        return router.active() == 0;
    }

    /** Ends all requests with an error, stops listening, and frees the generator. */
    @Override
    public void close() {
        router.drain();
        generations.failAll("the server is shutting down");
        listener.close();
        generations.close();
        generator.close();
    }
}
