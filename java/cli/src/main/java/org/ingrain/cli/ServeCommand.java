package org.ingrain.cli;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
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
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import sun.misc.Signal;
import sun.misc.SignalHandler;

@Command(name = "serve", description = {"Serves a model over HTTP with OpenAI's API.",
    "SIGTERM and SIGINT let the running requests finish; the exit status is then 0."},
        customSynopsis = "ingrain serve [OPTIONS] --model DIR",
        footer = {
    "  ingrain serve --model models/lab",
    "  ingrain serve --model models/lab --served-model-name lab --port 8080",
    "  curl localhost:8000/v1/completions -H 'Content-Type: application/json' \\",
    "    -d '{\"prompt\": \"Take the last\", \"max_tokens\": 8}'"})
final class ServeCommand implements Callable<Integer> {
    private static final List<String> SIGNALS = List.of("TERM", "INT");

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
        ModelOptions options = templateFlags.apply(modelFlags.options());
        try (Engine engine = Engine.open(options, new LoadProgress(options.model()))) {
            ServerConfig config = flags.config(batch.config(engine));
            try (Server server = new Server(engine, config)) {
                report(server, config.batch());
                waitForSignal(server);
            }
        }
        return 0;
    }

    private void report(Server server, GeneratorConfig sizes) {
        System.err.println("ingrain: serving " + server.models().all().stream().map(Model::name)
                .collect(Collectors.joining(", ")) + " on " + flags.url(server.port()) + ": context "
                + sizes.contextLength() + ", at most " + sizes.maxSequences() + " sequences at once");
    }

    /** Waits for a signal, then until the running requests are finished. A second signal ends the second wait. */
    private void waitForSignal(Server server) throws InterruptedException {
        CountDownLatch first = new CountDownLatch(1);
        Thread waiting = Thread.currentThread();
        SignalHandler handler = signal -> {
            if (first.getCount() == 0) {
                waiting.interrupt();
            }
            first.countDown();
        };
        List<SignalHandler> before = SIGNALS.stream().map(name -> Signal.handle(new Signal(name), handler)).toList();
        try {
            first.await();
            System.err.println("ingrain: waits at most " + flags.drainTimeout + " s for the running requests");
            server.drain(Duration.ofSeconds(flags.drainTimeout));
        } catch (InterruptedException second) {
            System.err.println("ingrain: ends the running requests");
        } finally {
            for (int i = 0; i < before.size(); i++) {
                Signal.handle(new Signal(SIGNALS.get(i)), before.get(i));
            }
        }
    }
}
