package org.ingrain.distill.remote;

import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import org.ingrain.tensor.InputException;

/**
 * Settings of the requests to a server with OpenAI's API.
 *
 * @param url       base URL, such as {@code http://localhost:8000/v1}
 * @param model     name of the model in requests
 * @param inFlight  maximum number of requests that run at once
 * @param perMinute maximum number of requests that start in a minute; 0: no limit
 * @param timeout   time limit of one request
 * @param attempts  maximum number of times that a request is sent; if the last attempt fails, the run ends
 */
public record RemoteConfig(URI url, String model, int inFlight, int perMinute, Duration timeout, int attempts) {
    private static final int MOST_IN_FLIGHT = 4096;

    public RemoteConfig {
        if (inFlight < 1 || inFlight > MOST_IN_FLIGHT) {
            throw InputException.field("teacherRequests", inFlight + ", expected 1 to " + MOST_IN_FLIGHT);
        }
        if (perMinute < 0) {
            throw InputException.field("teacherRate", perMinute + ", expected 0 (no limit) or more");
        }
        if (timeout.isNegative() || timeout.isZero()) {
            throw InputException.field("teacherTimeout", timeout.toSeconds() + ", expected 1 or more seconds");
        }
        if (attempts < 1) {
            throw InputException.field("teacherAttempts", attempts + ", expected 1 or more");
        }
    }

    /** Whether a text is the URL of a server and not the path of a folder. */
    public static boolean isUrl(String text) {
        return text.startsWith("http://") || text.startsWith("https://");
    }

    /**
     * Reads a base URL. If the URL has no path, {@code /v1} is appended.
     *
     * @throws InputException if the text is not a base URL, or contains a user, a query or a fragment
     */
    public static URI url(String text) {
        try {
            URI url = new URI(text.replaceFirst("/+$", ""));
            if (url.getHost() == null || url.getRawUserInfo() != null || url.getRawQuery() != null
                    || url.getRawFragment() != null) {
                throw InputException.field("teacher", withoutUser(text)
                        + ", expected a URL of host, port and path only, such as http://localhost:8000/v1");
            }
            return url.getRawPath().isEmpty() ? new URI(url + "/v1") : url;
        } catch (URISyntaxException e) {
            throw InputException.field("teacher", withoutUser(text) + ", expected a URL such as "
                    + "http://localhost:8000/v1");
        }
    }

    /** A copy of these settings with the name of the model. */
    public RemoteConfig withModel(String name) {
        return new RemoteConfig(url, name, inFlight, perMinute, timeout, attempts);
    }

    /** The text with its user name and password removed, because these must not be printed. */
    private static String withoutUser(String text) {
        return text.replaceFirst("//[^/]*@", "//");
    }
}
