package org.ingrain.cli;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.ModelFlags;
import org.ingrain.cli.flags.ServerFlags;
import org.ingrain.cli.flags.TemplateFlags;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.server.Server;
import org.ingrain.server.ServerConfig;
import org.ingrain.server.generate.Models.Model;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "serve", description = {"Serves a model over HTTP with OpenAI's API.",
    "SIGTERM and SIGINT let the running requests finish; the exit status is then 0."},
        customSynopsis = "ingrain serve [OPTIONS] --model DIR",
        footer = {
    "  ingrain serve --model models/lab",
    "  ingrain serve --model models/lab --served-model-name lab --port 8080",
    "  curl localhost:8000/v1/completions -H 'Content-Type: application/json' \\",
    "    -d '{\"prompt\": \"Take the last\", \"max_tokens\": 8}'"})
final class ServeCommand implements Callable<Integer> {
    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private TemplateFlags templateFlags;

    @Mixin
    private BatchFlags batch;

    @Mixin
    private ServerFlags flags;

    @Override
    public Integer call() throws InterruptedException {
        if (flags.drainTimeout < 0) {
            throw InputException.field("drainTimeout", flags.drainTimeout + ", expected 0 or more");
        }
        ModelOptions options = templateFlags.apply(modelFlags.options());
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            ServerConfig config = flags.config(batch.config(engine));
            Server server = new Server(engine, config);
            try (StopSignals signals = new StopSignals(); server) {
                report(server, config.batch());
                signals.await();
                drain(server);
            }
        }
        return 0;
    }

    private void drain(Server server) {
        System.err.println("ingrain: waiting at most " + flags.drainTimeout + " s for the running requests; a second "
                + "signal ends them");
        try {
            if (!server.drain(Duration.ofSeconds(flags.drainTimeout))) {
                System.err.println("ingrain: the time limit is over, so the running requests are cancelled");
            }
        } catch (InterruptedException second) {
            System.err.println("ingrain: the running requests are cancelled");
        }
    }

    private void report(Server server, GeneratorConfig sizes) {
        System.err.println("ingrain: serving " + server.models().all().stream().map(Model::name)
                .collect(Collectors.joining(", ")) + " on " + flags.url(server.port()) + ": context "
                + sizes.contextLength() + ", at most " + sizes.maxSequences() + " sequences at once");
    }
}
