package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.regex.Pattern;
import org.ingrain.template.Message;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.json.JsonMapper;

/** Tests the endpoints that generate no text. */
@Timeout(60)
class InformationTest {
    private static final Pattern SAMPLE = Pattern.compile("[a-z_]+:[a-z0-9_]+\\{[^}]*} [0-9.E+-]+");

    @Test
    void answersHaveTheFormsOfVllm() {
        try (TestServer server = new TestServer(config -> config.withModelNames(List.of("lab", "org/lab")))) {
            assertEquals(200, server.get("/health").status());
            assertEquals("", server.get("/health").body());
            assertEquals(200, server.get("/ping").status());
            assertTrue(server.get("/version").json().get("version").isString());
            assertTrue(server.get("/").body().startsWith("<!doctype html>"));
            String model = server.get("/v1/models/org/lab").body();
            assertTrue(Pattern.matches("\\{\"id\":\"org/lab\",\"object\":\"model\",\"created\":\\d+,\"owned_by\":"
                    + "\"ingrain\",\"root\":\"[^\"]*\",\"parent\":null,\"max_model_len\":256}", model), model);
            assertEquals("{\"object\":\"list\",\"data\":[" + model.replace("org/lab", "lab") + "," + model + "]}",
                    server.get("/v1/models").body());
            assertEquals(404, server.get("/v1/models/other").status());
            assertEquals("lab", server.completion("{'model': 'org/lab', 'prompt': 'The', 'max_tokens': 1}").json()
                    .get("model").stringValue());
        }
    }

    @Test
    void textsAreTokenized() {
        try (TestServer server = new TestServer()) {
            int[] ids = server.engine.tokenizer().encodeBegin("Spell the word");
            String list = JsonMapper.shared().writeValueAsString(ids);
            assertEquals("{\"count\":" + ids.length + ",\"max_model_len\":256,\"tokens\":" + list
                    + ",\"token_strs\":null}", server.post("/tokenize", "{'prompt': 'Spell the word'}").body());
            assertTrue(server.post("/tokenize", "{'prompt': 'Spell the word', 'return_token_strs': true}").json()
                    .get("token_strs").get(0).stringValue().startsWith("S"));
            assertEquals("{\"prompt\":\"Spell the word\"}", server.post("/detokenize", "{'tokens': " + list + "}")
                    .body());
            int[] chat = server.engine.encode(List.of(Message.user("Hi")));
            assertEquals(JsonMapper.shared().writeValueAsString(chat), server.post("/tokenize",
                    "{'messages': [{'role': 'user', 'content': 'Hi'}]}").json().get("tokens").toString());
            assertEquals(chat.length - 1, server.post("/tokenize", "{'messages': [{'role': 'user', 'content': 'Hi'}], "
                    + "'add_generation_prompt': false}").json().get("count").intValue());
            assertEquals(400, server.post("/detokenize", "{'tokens': [99999]}").status());
        }
    }

    @Test
    void metricsCount() {
        try (TestServer server = new TestServer()) {
            server.completion("{'prompt': [5, 6, 7], 'max_tokens': 4, 'ignore_eos': true, 'n': 2}");
            assertEquals(8, server.metric("vllm:generation_tokens_total", ""));
            assertEquals(6, server.metric("vllm:prompt_tokens_total", ""));
            assertEquals(2, server.metric("vllm:request_success_total", "finished_reason=\"length\""));
            assertEquals(2, server.metric("vllm:e2e_request_latency_seconds_count", ""));
            assertEquals(2, server.metric("vllm:time_to_first_token_seconds_count", ""));
            assertEquals(6, server.metric("vllm:inter_token_latency_seconds_count", ""));
            assertEquals(2, server.metric("vllm:request_generation_tokens_bucket", "le=\"5.0\""));
            assertEquals(0, server.metric("vllm:request_generation_tokens_bucket", "le=\"2.0\""));
            assertEquals(0, server.metric("vllm:num_requests_running", ""));
            server.get("/metrics").body().lines().filter(line -> !line.startsWith("#"))
                    .forEach(line -> assertTrue(SAMPLE.matcher(line).matches(), line));
        }
    }
}
