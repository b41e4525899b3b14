package org.ingrain.server.api;

import java.util.Locale;
import java.util.Map;
import org.ingrain.tensor.InputException;

/** Ends a request with an error in OpenAI's format. */
public final class ApiException extends RuntimeException {
    private static final int BAD_REQUEST = 400;

    private final int status;
    private final String type;
    private final String param;
    private final String code;

    /**
     * @param status HTTP status
     * @param type   OpenAI's name of the kind of error, such as invalid_request_error
     * @param param  name of the request field that caused the error, or null
     * @param code   OpenAI's code of the error, or null
     */
    private ApiException(int status, String type, String param, String code, String message) {
        super(message);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
    }

    /** A field of the request is invalid. */
    public static ApiException invalid(String param, String message) {
        return new ApiException(BAD_REQUEST, "invalid_request_error", param, null, message);
    }

    /** The server refuses the whole request, for example because of its path, method or size. */
    public static ApiException refused(int status, String message) {
        return new ApiException(status, "invalid_request_error", null, null, message);
    }

    /** The prompt is longer than the context, either alone or together with the requested completion. */
    public static ApiException tooLong(String param, String message) {
        return new ApiException(BAD_REQUEST, "invalid_request_error", param, "context_length_exceeded", message);
    }

    /** No model has this name. */
    public static ApiException noModel(String name) {
        return new ApiException(404, "invalid_request_error", "model", "model_not_found",
                "The model '" + name + "' does not exist.");
    }

    /** The API key is missing or wrong. */
    public static ApiException wrongKey() {
        return new ApiException(401, "invalid_request_error", null, "invalid_api_key",
                "Authorization: missing or wrong API key, expected Bearer and the server's key");
    }

    /** The server cannot accept the request now. */
    public static ApiException overloaded(String message) {
        return new ApiException(429, "rate_limit_error", null, "rate_limit_exceeded", message);
    }

    /** The server is shutting down, or its generator has failed. */
    public static ApiException unavailable(String message) {
        return new ApiException(503, "server_error", null, null, message);
    }

    /** The time limit of the request has passed. */
    public static ApiException timeout(String message) {
        return new ApiException(504, "server_error", null, "timeout", message);
    }

    /** A fault of the server or of the model. */
    public static ApiException failed(String message) {
        return new ApiException(500, "server_error", null, null, message);
    }

    /**
     * Converts an error that the engine has found in the user's input. In the message, this method replaces the name of
     * the engine's setting by the name of the request field.
     *
     * @param names the request field for each name of a setting; names that are not in this map are converted to snake
     *              case
     */
    public static ApiException of(InputException refused, Map<String, String> names) {
        String field = refused.field();
        if (field == null) {
            return invalid(null, refused.getMessage());
        }
        String param = names.getOrDefault(field, field.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT));
        return invalid(param, param + refused.getMessage().substring(field.length()));
    }

    public int status() {
        return status;
    }

    public String type() {
        return type;
    }

    public String param() {
        return param;
    }

    public String code() {
        return code;
    }
}
