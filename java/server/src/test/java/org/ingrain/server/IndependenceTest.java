package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Tests that answers do not depend on other requests, even if some requests use adapters and others use the base model.
 */
@Timeout(60)
class IndependenceTest {
    @TempDir
    private Path temp;

    private static String request(int i, String model) {
        return "{'model': '" + model + "', 'prompt': 'Take the last letters " + "Ann ".repeat(i % 5) + "', 'seed': " + i
                + ", 'max_tokens': " + (10 + i % 20) + ", 'n': " + (1 + i % 3) + ", 'logprobs': 2, 'stream': "
                + (i % 2 == 0) + "}";
    }

    /** The choices of an answer. For a streamed answer: the concatenated texts and log-probabilities of each choice. */
    private static String content(TestServer.Reply reply, boolean stream) {
        assertEquals(200, reply.status(), reply.body());
        if (!stream) {
            return reply.json().get("choices").toString();
        }
        Map<Integer, String> texts = new LinkedHashMap<>();
        for (JsonNode event : reply.events()) {
            JsonNode choice = event.get("choices").get(0);
            texts.merge(choice.get("index").intValue(), choice.get("text").stringValue()
                    + choice.get("logprobs").get("token_logprobs"), String::concat);
        }
        return new java.util.TreeMap<>(texts).toString();
    }

    @Test
    void answersAreThoseOfTheSameRequestsAlone() throws Exception {
        Path adapter = temp.resolve("adapter");
        try (TestServer server = new TestServer(config -> config.withAdapters(Map.of(), 2))) {
            server.adapter(adapter, 0.3f);
            load(server, "tuned", adapter, 200);
            List<String> alone = new ArrayList<>();
            for (int i = 0; i < 33; i++) {
                alone.add(content(server.completion(request(i, i % 3 == 0 ? "tuned" : "lab")), i % 2 == 0));
            }
            assertNotEquals(content(server.completion(request(3, "lab")), false), alone.get(3));
            try (var clients = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<String>> together = new ArrayList<>();
                for (int i = 0; i < 33; i++) {
                    String request = request(i, i % 3 == 0 ? "tuned" : "lab");
                    boolean stream = i % 2 == 0;
                    together.add(clients.submit(() -> content(server.completion(request), stream)));
                }
                // Loads and unloads other adapters while the requests run.
                for (int round = 0; round < 3; round++) {
                    load(server, "other", adapter, 200);
                    load(server, "third", adapter, 400);
                    unload(server, "other", 200);
                }
                for (int i = 0; i < 33; i++) {
                    assertEquals(alone.get(i), together.get(i).get(), "request " + i);
                }
            }
        }
    }

    private static TestServer.Reply load(TestServer server, String name, Path folder, int status) {
        TestServer.Reply reply = server.post("/v1/load_lora_adapter", "{'lora_name': '" + name + "', 'lora_path': '"
                + folder + "'}");
        assertEquals(status, reply.status(), reply.body());
        return reply;
    }

    private static TestServer.Reply unload(TestServer server, String name, int status) {
        TestServer.Reply reply = server.post("/v1/unload_lora_adapter", "{'lora_name': '" + name + "'}");
        assertEquals(status, reply.status(), reply.body());
        return reply;
    }

    @Test
    void adaptersAreModels() {
        Path adapter = temp.resolve("adapter");
        try (TestServer server = new TestServer()) {
            server.adapter(adapter, 0.3f);
        }
        try (TestServer server = new TestServer(config -> config.withAdapters(Map.of("tuned", adapter), 2))) {
            JsonNode models = server.get("/v1/models").json().get("data");
            assertEquals(2, models.size());
            assertEquals("lab", models.get(0).get("id").stringValue());
            assertTrue(models.get(0).get("parent").isNull());
            assertEquals("tuned", models.get(1).get("id").stringValue());
            assertEquals("lab", models.get(1).get("parent").stringValue());
            assertEquals(adapter.toString(), models.get(1).get("root").stringValue());
            assertEquals("tuned", server.completion(request(1, "tuned")).json().get("model").stringValue());
            assertEquals("lora_name", load(server, "tuned", adapter, 400).error().get("param").stringValue());
            load(server, "missing", temp.resolve("nowhere"), 400);
            assertEquals("Success: LoRA adapter 'more' added successfully.", load(server, "more", adapter, 200).body());
            assertEquals(1, server.metric("vllm:lora_requests_info", "loaded_lora_adapters=\"tuned,more\""));
            unload(server, "tuned", 200);
            assertEquals(404, server.completion(request(1, "tuned")).status());
            unload(server, "tuned", 404);
            unload(server, "lab", 400);
            load(server, "again", adapter, 200);
        }
    }
}
