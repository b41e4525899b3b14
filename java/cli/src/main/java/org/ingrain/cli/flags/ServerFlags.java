package org.ingrain.cli.flags;

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.server.ServerConfig;
import picocli.CommandLine.Option;

/** Flags of the HTTP server; the names are vLLM's. */
@Heading.Under(Heading.SERVER)
public final class ServerFlags {
    @Option(names = "--host", defaultValue = "127.0.0.1", paramLabel = "NAME",
            description = "Address to listen on; 0.0.0.0 opens the server to the network (default: ${DEFAULT-VALUE}).")
    String host;

    @Option(names = "--port", defaultValue = "8000", paramLabel = "N",
            description = "Port; 0 for any free port (default: ${DEFAULT-VALUE}).")
    int port;

    @Option(names = "--served-model-name", paramLabel = "NAME", arity = "1..*",
            description = "Names of the model in requests; responses use the first (default: the value of --model).")
    List<String> modelNames = List.of();

    @Option(names = "--api-key", paramLabel = "KEY",
            description = "Key that requests to paths below /v1 must send (default: none).")
    String apiKey;

    @Option(names = "--lora-modules", paramLabel = "NAME=DIR", arity = "1..*",
            description = "PEFT LoRA adapters to serve in addition to the model, by name.")
    Map<String, Path> adapters = new LinkedHashMap<>();

    @Option(names = "--max-loras", defaultValue = "0", paramLabel = "N",
            description = "Maximum number of adapters loaded at the same time, including those loaded by requests "
            + "(default: the number of --lora-modules).")
    int maxAdapters;

    @Option(names = "--max-lora-rank", defaultValue = "16", paramLabel = "R",
            description = "Maximum rank of an adapter that a request loads (default: ${DEFAULT-VALUE}).")
    int maxAdapterRank;

    @Option(names = "--max-queue", defaultValue = "2048", paramLabel = "N",
            description = "Maximum number of unfinished samples; further requests get status 429 (default: "
            + "${DEFAULT-VALUE}).")
    int maxQueue;

    @Option(names = "--request-timeout", defaultValue = "0", paramLabel = "SECONDS",
            description = "Maximum time of a request; 0 for no limit (default: ${DEFAULT-VALUE}).")
    long requestTimeout;

    @Option(names = "--drain-timeout", defaultValue = "30", paramLabel = "SECONDS",
            description = "Maximum time in which running requests may finish after SIGTERM or SIGINT; a second "
            + "signal ends them (default: ${DEFAULT-VALUE}).")
    public long drainTimeout;

    /** The settings from these flags. */
    public ServerConfig config(GeneratorConfig batch) {
        return new ServerConfig(host, port, modelNames, Optional.ofNullable(apiKey), adapters, maxAdapters,
                maxAdapterRank, maxQueue,
                requestTimeout == 0 ? Optional.empty() : Optional.of(Duration.ofSeconds(requestTimeout)), batch);
    }

    /** The URL of a server that listens on a port. */
    public String url(int actualPort) {
        return "http://" + (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + actualPort;
    }
}
