package org.ingrain.server;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.tensor.InputException;

/**
 * Settings of a server. {@link #of} creates settings; each {@code with} method returns a copy with one setting changed.
 *
 * @param host            address to listen on
 * @param port            port; 0 for any free port
 * @param modelNames      names of the base model in requests; if empty, the model's path is its name. Answers contain
 *                        the first of these names
 * @param apiKey          the key that requests to paths below /v1 must send; empty if no key is required
 * @param adapters        adapters that are loaded at the start: name in requests → folder
 * @param maxAdapters     number of adapters that can be loaded at the same time; raised if {@code adapters} has more
 *                        entries
 * @param maxAdapterRank  maximum rank of an adapter; raised if an adapter of {@code adapters} has a greater rank
 * @param maxQueue        maximum number of samples that are not finished
 * @param requestTimeout  maximum time of a request; empty for no limit
 * @param batch           sizes of the generator's batch and cache
 */
public record ServerConfig(String host, int port, List<String> modelNames, Optional<String> apiKey,
                           Map<String, Path> adapters, int maxAdapters, int maxAdapterRank, int maxQueue,
                           Optional<Duration> requestTimeout, GeneratorConfig batch) {
    private static final int MAX_PORT = 65535;
    private static final int QUEUE = 2048;

    public ServerConfig {
        if (port < 0 || port > MAX_PORT) {
            throw InputException.field("port", port + ", expected 0 to " + MAX_PORT);
        }
        if (maxAdapters < 0) {
            throw InputException.field("maxAdapters", maxAdapters + ", expected 0 or more");
        }
        if (maxAdapterRank < 1) {
            throw InputException.field("maxAdapterRank", maxAdapterRank + ", expected 1 or more");
        }
        if (maxQueue < 1) {
            throw InputException.field("maxQueue", maxQueue + ", expected 1 or more");
        }
        if (requestTimeout.isPresent() && !requestTimeout.get().isPositive()) {
            throw InputException.field("requestTimeout", requestTimeout.get().toSeconds() + ", expected more than 0");
        }
        if (apiKey.isPresent() && apiKey.get().isEmpty()) {
            throw InputException.field("apiKey", "an empty key, expected at least one character");
        }
        modelNames = List.copyOf(modelNames);
        adapters = Collections.unmodifiableMap(new LinkedHashMap<>(adapters));   // keeps the insertion order
        for (String name : modelNames) {
            if (adapters.containsKey(name)) {
                throw InputException.field("adapters", name + " is also a name of the base model, expected another");
            }
        }
    }

    /** Settings for a server without adapters, time limit and key, which only this machine can reach. */
    public static ServerConfig of(GeneratorConfig batch) {
        return new ServerConfig("127.0.0.1", 8000, List.of(), Optional.empty(), Map.of(), 0, 16, QUEUE,
                Optional.empty(), batch);
    }

    public ServerConfig withPort(int value) {
        return new ServerConfig(host, value, modelNames, apiKey, adapters, maxAdapters, maxAdapterRank, maxQueue,
                requestTimeout, batch);
    }

    public ServerConfig withModelNames(List<String> value) {
        return new ServerConfig(host, port, value, apiKey, adapters, maxAdapters, maxAdapterRank, maxQueue,
                requestTimeout, batch);
    }

    public ServerConfig withApiKey(String value) {
        return new ServerConfig(host, port, modelNames, Optional.of(value), adapters, maxAdapters, maxAdapterRank,
                maxQueue, requestTimeout, batch);
    }

    public ServerConfig withAdapters(Map<String, Path> value, int most) {
        return new ServerConfig(host, port, modelNames, apiKey, value, most, maxAdapterRank, maxQueue,
                requestTimeout, batch);
    }

    public ServerConfig withMaxQueue(int value) {
        return new ServerConfig(host, port, modelNames, apiKey, adapters, maxAdapters, maxAdapterRank, value,
                requestTimeout, batch);
    }

    public ServerConfig withRequestTimeout(Duration value) {
        return new ServerConfig(host, port, modelNames, apiKey, adapters, maxAdapters, maxAdapterRank, maxQueue,
                Optional.of(value), batch);
    }
}
