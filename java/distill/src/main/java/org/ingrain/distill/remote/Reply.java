package org.ingrain.distill.remote;

import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A reply of a server with OpenAI's API.
 *
 * @param from URL of the request
 */
record Reply(URI from, int status, Optional<String> retryAfter, Optional<String> location, String body) {
    private static final int MOST_CHARACTERS = 300;
    /**
     * Statuses after which a request may succeed later: timeouts, too many requests, faults of the server or of a
     * proxy. Status 529 is Anthropic's status for an overload.
     */
    private static final Set<Integer> PASSING = Set.of(408, 425, 429, 500, 502, 503, 504, 529);
    private static final Set<String> TOO_LONG_CODES = Set.of("context_length_exceeded", "exceed_context_size_error");
    /** Messages of vLLM, SGLang, llama.cpp and TGI about prompts that are too long. */
    private static final Pattern TOO_LONG = Pattern.compile("(?i)(maximum|available) context (length|size)"
            + "|context length|max_model_len|prompt (is )?too long|longer than the (model's )?(maximum|context)"
            + "|`?inputs`? tokens \\+ `?max_new_tokens`? must be");

    static Reply of(HttpResponse<byte[]> response) {
        return new Reply(response.uri(), response.statusCode(), response.headers().firstValue("retry-after"),
                response.headers().firstValue("location"), new String(response.body(), StandardCharsets.UTF_8));
    }

    /** Whether the same request may succeed later. If the quota is used up, the request cannot succeed later. */
    boolean passes() {
        return PASSING.contains(status) && !error("code").equals("insufficient_quota");
    }

    /** Whether the reply means that no request should be sent for some time. */
    boolean asksToWait() {
        return status == 429 || status == 503;
    }

    boolean promptTooLong() {
        return (status == 400 || status == 413 || status == 422) && (TOO_LONG_CODES.contains(error("code"))
                || TOO_LONG_CODES.contains(error("type")) || TOO_LONG.matcher(message()).find());
    }

    /** The wait in the header Retry-After, which contains a number of seconds or a date. */
    Optional<Duration> wait(ZonedDateTime now) {
        try {
            return retryAfter.map(text -> text.strip().matches("\\d{1,9}") ? Duration.ofSeconds(Long.parseLong(
                    text.strip())) : Duration.between(now, ZonedDateTime.parse(text.strip(),
                            DateTimeFormatter.RFC_1123_DATE_TIME)));
        } catch (DateTimeException e) {
            return Optional.empty();   // the header has neither seconds nor a valid date
        }
    }

    JsonNode json() {
        return Json.parse(body, from.toString());
    }

    /** The completion in a successful reply to a chat request. */
    TextCompletion completion(SampleKey key) {
        JsonNode answer = json();
        JsonNode choice = answer.path("choices").path(0);
        JsonNode tokens = answer.path("usage").path("completion_tokens");
        if (!choice.path("message").isObject() || !tokens.canConvertToInt()) {
            throw new InputException(from + ": the answer has fields " + answer.propertyNames()
                    + ", expected choices with a message, and usage.completion_tokens");
        }
        // All other reasons, for example "content_filter", count as LENGTH too, because the text is incomplete.
        Finish finish = choice.path("finish_reason").asString("").equals("stop") ? Finish.STOP : Finish.LENGTH;
        return new TextCompletion(key, choice.path("message").path("content").asString(""), tokens.asInt(), finish);
    }

    /** The error for a reply whose status is not 200 and after which the request is not repeated. */
    InputException refusal() {
        String expected = switch (status) {
            case 401, 403 -> "a valid API key";
            case 404 -> "the name of one of the server's models, and the base URL of the server, which often ends "
                    + "with /v1";
            case 301, 302, 303, 307, 308 -> "a URL that does not redirect" + location.map(to -> ", such as " + to)
                    .orElse("");
            default -> "a server with OpenAI's API that accepts the request";
        };
        return InputException.field("teacher", from + " replied " + status + (message().isEmpty() ? "" : " ("
                + message() + ")") + ", expected " + expected);
    }

    /** The error message of the reply: the message in OpenAI's error object, or the first characters of the reply. */
    String message() {
        String text = body.strip();
        try {
            JsonNode json = json();
            for (JsonNode node : new JsonNode[] {json.path("error").path("message"), json.path("error"),
                    json.path("message"), json.path("detail")}) {
                if (node.isString()) {
                    text = node.asString();
                    break;
                }
            }
        } catch (InputException e) {
            // The reply is not JSON (for example the error page of a proxy), so its first characters are the message.
        }
        String line = text.replaceAll("\\s+", " ");
        return line.length() <= MOST_CHARACTERS ? line : line.substring(0, MOST_CHARACTERS) + "...";
    }

    private String error(String field) {
        try {
            return json().path("error").path(field).asString("");
        } catch (InputException e) {
            return "";
        }
    }
}
