package org.ingrain.server;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.http.Exchange;
import org.ingrain.server.http.HttpListener;

/** Finds the endpoint of a request. Checks the API key and whether the server still accepts requests. */
final class Router implements HttpListener.Handler {
    private static final String PROTECTED = "/v1/";

    private final Map<String, Route> routes = new LinkedHashMap<>();
    /** The required value of the Authorization header. It is null if no key is required. */
    private final byte[] authorization;
    private final AtomicInteger active = new AtomicInteger();
    private volatile boolean draining;

    private record Route(String method, Consumer<Exchange> endpoint, boolean always) {
    }

    Router(Optional<String> apiKey) {
        authorization = apiKey.map(key -> bytes("Bearer " + key)).orElse(null);
    }

    /** Adds an endpoint for the method GET. The endpoint still answers after {@link #drain}. */
    void get(String path, Consumer<Exchange> endpoint) {
        routes.put(path, new Route("GET", endpoint, true));
    }

    /** Adds an endpoint for the method POST. After {@link #drain}, the endpoint answers with status 503. */
    void post(String path, Consumer<Exchange> endpoint) {
        routes.put(path, new Route("POST", endpoint, false));
    }

    /** Makes the router answer all later POST requests with status 503. */
    void drain() {
        draining = true;
    }

    boolean draining() {
        return draining;
    }

    /** The number of requests that are in progress. */
    int active() {
        return active.get();
    }

    @Override
    public void handle(String method, String path, Exchange exchange) {
        if (path.startsWith(PROTECTED)) {
            authorize(exchange);
        }
        Route route = route(path);
        if (route == null) {
            throw ApiException.refused(404, "Unknown URL: " + method + " " + path);
        }
        if (!route.method.equals(method)) {
            throw ApiException.refused(405, "method " + method + " of " + path + ", expected " + route.method);
        }
        active.incrementAndGet();
        try {
            if (draining && !route.always) {
                throw ApiException.unavailable("the server is shutting down");
            }
            route.endpoint.accept(exchange);
        } finally {
            active.decrementAndGet();
        }
    }

    /** Returns the route of a path. A route whose path ends with a slash matches all paths that begin with it. */
    private Route route(String path) {
        Route route = routes.get(path);
        if (route != null) {
            return route;
        }
        return routes.entrySet().stream().filter(entry -> entry.getKey().length() > 1 && entry.getKey().endsWith("/")
                && path.startsWith(entry.getKey())).map(Map.Entry::getValue).findFirst().orElse(null);
    }

    private void authorize(Exchange exchange) {
        if (authorization != null && !MessageDigest.isEqual(authorization,
                bytes(exchange.header("Authorization").orElse("")))) {
            throw ApiException.wrongKey();
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
