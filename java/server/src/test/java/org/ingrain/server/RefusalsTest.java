package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Tests error answers: their JSON, errors that name the refused field, and hostile requests. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RefusalsTest {
    private TestServer server;

    @BeforeAll
    void start() {
        server = new TestServer();
    }

    @AfterAll
    void stop() {
        server.close();
    }

    private static void check(TestServer.Reply reply, int status, String param, String message) {
        assertEquals(status, reply.status(), reply.body());
        JsonNode error = reply.error();
        assertEquals("[message, type, param, code]", error.propertyNames().toString());
        assertEquals(param == null || param.isEmpty() ? null : param, error.get("param").stringValue(null),
                reply.body());
        assertTrue(error.get("message").stringValue().contains(message), reply.body());
        assertFalse(error.get("message").stringValue().contains("\n"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            "temperature": -1                  | temperature       | temperature: -1.0, expected 0
            "temperature": "hot"               | temperature       | expected a number
            "top_p": 0                         | top_p             | top_p: 0.0, expected more than 0
            "top_k": -2                        | top_k             | top_k: -2, expected -1 or more
            "max_tokens": -1                   | max_tokens        | max_tokens: -1, expected 0 or more
            "max_tokens": 0                    | max_tokens        | max_tokens: 0 without echo
            "max_tokens": 1e2                  | max_tokens        | expected an integer
            "max_tokens": 99999999999          | max_tokens        | expected an integer
            "max_tokens": 256                  | prompt            | and a completion of 256, expected at most 256
            "n": 0                             | n                 | n: 0, expected 1 to 1024
            "n": 1025                          | n                 | n: 1025, expected 1 to 1024
            "best_of": 3                       | best_of           | best_of: 3 is not supported
            "best_of": 99999999999             | best_of           | best_of: 99999999999 is not supported
            "min_p": 1e999                     | min_p             | is not supported
            "length_penalty": 99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999 | length_penalty | is not supported
            "logprobs": 21                     | logprobs          | logprobs: 21, expected 0 to 20
            "logprobs": true                   | logprobs          | expected an integer
            "prompt_logprobs": 1, "stream": true | prompt_logprobs | not supported with stream
            "logprobs": 1, "echo": true, "stream": true | logprobs | not supported with echo and stream
            "stop": [""]                       | stop              | stop: an empty string
            "stop": [1]                        | stop              | expected a list of strings
            "stop": {}                         | stop              | expected a list of strings
            "stop_token_ids": [1.5]            | stop_token_ids    | expected an integer or a list of integers
            "seed": 1.5                        | seed              | expected a 64-bit integer
            "seed": 9223372036854775808        | seed              | expected a 64-bit integer
            "stream": "yes"                    | stream            | expected true or false
            "stream_options": {"include_usage": true} | stream_options | given without stream
            "presence_penalty": 0.5            | presence_penalty  | presence_penalty: 0.5 is not supported, expected 0
            "frequency_penalty": -0.5          | frequency_penalty | is not supported
            "repetition_penalty": 1.1          | repetition_penalty | is not supported, expected 1
            "min_p": 0.1                       | min_p             | is not supported
            "use_beam_search": true            | use_beam_search   | is not supported
            "suffix": "x"                      | suffix            | is not supported
            "guided_json": {"type": "object"}  | guided_json       | is not supported
            "response_format": {"type": "json_object"} | response_format | is not supported
            "skip_special_tokens": false       | skip_special_tokens | is not supported, expected true
            "store": true                      | store             | is not supported
            "min_tokens": 17                   | min_tokens        | min_tokens: 17, expected 0 to the maximum number
            "min_tokens": -1                   | min_tokens        | min_tokens: -1, expected 0 or more
            "logit_bias": {"5": 101}           | logit_bias        | logit_bias: 101.0 for token id 5, expected -100
            "logit_bias": {"x": 1}             | logit_bias        | expected an object with a number for each token id
            "logit_bias": {"1": 1e999}         | logit_bias        | expected an object with a number for each token id
            "logit_bias": [1]                  | logit_bias        | expected an object with a number for each token id
            "logit_bias": {"374": 1}           | logit_bias        | 374
            "wrong": 1                         | wrong             | wrong: unknown field
            "prompt_embeds": "x"               | prompt_embeds     | is not supported
            """)
    void fieldsOfCompletionsAreRefusedByName(String field, String param, String message) {
        check(server.completion("{'prompt': 'The', " + field + "}"), 400, param, message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            "tools": [{"type": "function"}]    | tools             | tools: [{"type":"function"}] is not supported
            "tool_choice": "required"          | tool_choice       | is not supported, expected none or auto
            "functions": [{}]                  | functions         | is not supported
            "top_logprobs": 2                  | top_logprobs      | given without logprobs
            "logprobs": 2                      | logprobs          | expected true or false
            "max_tokens": 0                    | max_tokens        | max_tokens: 0, expected 1 or more
            "continue_final_message": true     | continue_final_message | is not supported
            "chat_template": "x"               | chat_template     | is not supported
            "chat_template_kwargs": {"other": 1} | chat_template_kwargs.other | unknown field
            "reasoning_effort": "low"          | reasoning_effort  | is not supported
            "modalities": ["text", "audio"]    | modalities        | is not supported
            "prompt": "x"                      | prompt            | prompt: unknown field
            """)
    void fieldsOfChatsAreRefusedByName(String field, String param, String message) {
        check(server.chat("{'messages': [{'role': 'user', 'content': 'Hi'}], " + field + "}"), 400, param, message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            []                                           | messages             | messages: 0 messages
            {}                                           | messages             | expected a list of objects
            ["x"]                                        | messages             | expected a list of objects
            [{"role": "user"}]                           | messages[0].content  | content: missing, expected a text
            [{"content": "x"}]                           | messages[0].role     | role is missing
            [{"role": "user", "content": [{"type": "image_url"}]}] | messages[0].content[0].type | expected text
            [{"role": "user", "content": [{"type": "text"}]}] | messages[0].content[0].text | text is missing
            [{"role": "tool", "content": "x"}]           | messages             | role 'tool' is not supported
            [{"role": "user", "content": "x", "names": "y"}] | messages[0].names | names: unknown field
            """)
    void messagesAreRefusedByName(String messages, String param, String message) {
        check(server.chat("{'messages': " + messages + "}"), 400, param, message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            ""                | no tokens
            []                | expected a text
            [[]]              | expected a text
            {}                | expected a text
            null              | missing, expected a text
            [1, "x"]          | expected a text
            [["x"]]           | expected a text
            [1.5]             | expected a text
            [-1]              | token id -1, expected 0 to 373
            [374]             | token id 374, expected 0 to 373
            [99999999999]     | expected a text
            """)
    void promptsAreRefused(String prompt, String message) {
        check(server.completion("{'prompt': " + prompt + ", 'max_tokens': 1}"), 400, "prompt", message);
    }

    @Test
    void whatAsksForNothingIsAccepted() {
        assertEquals(200, server.completion("""
                {"prompt": "The", "max_tokens": 1, "logprobs": null, "stop": null, "suffix": null, "best_of": 1, "n": 1,
                "presence_penalty": 0, "frequency_penalty": 0.0, "repetition_penalty": 1.0, "min_p": 0, "top_k": -1,
                "logit_bias": {}, "min_tokens": 0, "user": "me", "stream": false, "stream_options": null, "seed": -5,
                "ignore_eos": true, "guided_json": null, "unknown": null, "response_format": {"type": "text"},
                "skip_special_tokens": true, "use_beam_search": false, "store": false, "service_tier": "auto",
                "stop_token_ids": [], "bad_words": []}""").status());
        assertEquals(200, server.chat("""
                {"messages": [{"role": "user", "content": "Hi", "name": null, "tool_calls": null}], "max_tokens": 1,
                "max_completion_tokens": 1, "tools": [], "tool_choice": "none", "parallel_tool_calls": true,
                "metadata": {"a": "b"}, "logprobs": false, "top_logprobs": null, "modalities": ["text"],
                "chat_template_kwargs": {}, "add_generation_prompt": true, "reasoning_effort": null}""").status());
    }

    @Test
    void pathsAndMethodsAreChecked() {
        check(server.get("/v1/other"), 404, null, "Unknown URL: GET /v1/other");
        check(server.get("/v1/completions"), 405, null, "method GET of /v1/completions, expected POST");
        check(server.post("/v1/models", "{}"), 405, null, "expected GET");
        check(server.completion("{'model': 'other', 'prompt': 'x'}"), 404, "model", "The model 'other' does not exist");
        assertEquals("model_not_found", server.get("/v1/models/x").error().get("code").stringValue());
        assertEquals("context_length_exceeded", server.completion("{'prompt': 'x', 'max_tokens': 999}").error()
                .get("code").stringValue());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
            ~~                           | request body
            {                            | request body: malformed JSON
            [1]                          | expected a JSON object
            "x"                          | expected a JSON object
            {'prompt': 'a', 'prompt': 'b'} | malformed JSON
            {'prompt': 'a'} x            | malformed JSON
            {'prompt': 'a\\u0000'}       | ok
            {'prompt': '\\ud800'}        | ok
            """)
    void bodiesAreChecked(String body, String message) {
        TestServer.Reply reply = server.completion(body);
        if (message.equals("ok")) {
            assertEquals(200, reply.status(), reply.body());
        } else {
            check(reply, 400, null, message);
        }
    }

    @Test
    void deepAndLargeBodiesAreRefused() {
        check(server.completion("{'prompt': " + "[".repeat(100_000)), 400, null, "malformed JSON");
        check(server.completion("{'prompt': '" + "a".repeat(1 << 20) + "'}"), 400, "prompt", "characters, expected at");
        check(server.send(server.request("/v1/completions", "x".repeat((16 << 20) + 1))), 413, null,
                "expected at most 16777216 bytes");
        check(server.send(server.request("/v1/completions", "").POST(BodyPublishers.ofInputStream(
                () -> new java.io.ByteArrayInputStream(new byte[(16 << 20) + 1])))), 413, null, "expected at most");
        check(server.completion("{'prompt': 'x', 'stop': " + "[\"" + "a".repeat(300) + "\"]}"), 400, "stop", "300");
    }

    /**
     * A page of another site can make a browser send some content types without a CORS preflight request, but not JSON.
     */
    @ParameterizedTest
    @ValueSource(strings = {"", "text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"})
    void onlyJsonIsRead(String type) {
        HttpRequest.Builder request = HttpRequest.newBuilder(server.uri("/v1/load_lora_adapter"))
                .POST(BodyPublishers.ofString("{\"lora_name\": \"a\", \"lora_path\": \"b\"}"));
        check(server.send(type.isEmpty() ? request : request.header("Content-Type", type)), 415, null,
                "Content-Type: " + (type.isEmpty() ? "none" : type) + ", expected application/json");
        assertEquals(200, server.send(HttpRequest.newBuilder(server.uri("/tokenize"))
                .header("Content-Type", "Application/JSON; charset=utf-8")
                .POST(BodyPublishers.ofString("{\"prompt\": \"a\"}"))).status());
    }

    /** The server answers each randomly changed request with 200 or a client error, and continues to run. */
    @Test
    void changedRequestsAreAnswered() {
        String[] seeds = {"{\"prompt\": [\"The\", \"A\"], \"max_tokens\": 2, \"logprobs\": 1, \"stop\": [\"x\"], "
                + "\"temperature\": 0.5, \"echo\": true, \"n\": 2}", "{\"prompt\": [1, 2, 3], \"max_tokens\": 1}"};
        String parts = "{}[]\",:0123456789-+.eE \\u\u0000\u00e9tfn";
        Random random = new Random(1);
        for (int i = 0; i < 300; i++) {
            StringBuilder text = new StringBuilder(seeds[i % 2]);
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                int at = random.nextInt(text.length());
                switch (random.nextInt(3)) {
                    case 0 -> text.deleteCharAt(at);
                    case 1 -> text.setCharAt(at, parts.charAt(random.nextInt(parts.length())));
                    default -> text.insert(at, parts.charAt(random.nextInt(parts.length())));
                }
            }
            TestServer.Reply reply = server.send(server.request("/v1/completions", text.toString()));
            assertTrue(reply.status() == 200 || reply.status() == 400, text + " -> " + reply.body());
            assertEquals(reply.status() == 200, reply.json().has("choices"));
        }
    }

    /** The server closes each connection on which it receives bytes that are not HTTP. No file handle stays open. */
    @Test
    void whatIsNoHttpEndsItsConnection() throws Exception {
        String[] requests = {"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u0000\u0001\u0002\r\n\r\n",
            "GET / HTTP/1.1\r\n", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Le",
            "GET / HTTP/1.1\r\n" + "A: " + "b".repeat(40_000) + "\r\n\r\n", "GET /" + "a".repeat(9000),
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"prompt\""};
        send(requests);
        long before = handles();
        for (int i = 0; i < 10; i++) {
            send(requests);
        }
        assertEquals(200, server.get("/health").status());
        while (handles() > before + 5) {   // each connection is closed by its own thread, with a delay
            Thread.sleep(5);
        }
    }

    private void send(String[] requests) throws IOException {
        for (int i = 0; i < requests.length; i++) {
            try (Socket socket = server.raw(requests[i])) {
                socket.shutdownOutput();
                String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                assertTrue(answer.isEmpty() || answer.matches("(?s)HTTP/1.1 (4|5)\\d\\d .*"), i + ": " + answer);
                assertFalse(answer.startsWith("HTTP/1.1 500"), i + ": " + answer);
            } catch (java.net.SocketException reset) {
                assertTrue(reset.getMessage().contains("reset") || reset.getMessage().contains("Broken pipe"),
                        i + ": " + reset.getMessage());
            }
        }
    }

    private static long handles() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }
}
