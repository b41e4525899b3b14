package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests {@code /v1/chat/completions}. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ChatTest {
    private static final String QUESTION = "Spell the word \"Ann\".";
    private static final String MESSAGES = "\"messages\": [{\"role\": \"user\", \"content\": "
            + JsonMapper.shared().writeValueAsString(QUESTION) + "}]";

    private TestServer server;

    @BeforeAll
    void start() {
        server = new TestServer();
    }

    @AfterAll
    void stop() {
        server.close();
    }

    private Completion expected(int tokens, int top) {
        try (Generator generator = server.engine.generator(TestServer.SIZES)) {
            int[] prompt = server.engine.encode(List.of(Message.user(QUESTION)));
            return generator.generate(List.of(Request.of(prompt, 1, SamplingParams.greedy(tokens))
                    .withTopTokens(top))).getFirst().getFirst();
        }
    }

    private TestServer.Reply chat(String messages, String fields) {
        return server.send(server.request("/v1/chat/completions",
                "{" + messages + ", " + fields.replace('\'', '"') + "}"));
    }

    @Test
    void theAnswerHasTheFormOfOpenAi() {
        Completion completion = expected(50, 0);
        TestServer.Reply reply = chat(MESSAGES, "'temperature': 0, 'model': 'lab'");
        JsonNode json = reply.json();
        int prompt = server.engine.encode(List.of(Message.user(QUESTION))).length;
        assertTrue(json.get("id").stringValue().matches("chatcmpl-[0-9a-f]{32}"), reply.body());
        assertEquals("{\"id\":" + json.get("id") + ",\"object\":\"chat.completion\",\"created\":" + json.get("created")
                + ",\"model\":\"lab\",\"system_fingerprint\":" + json.get("system_fingerprint")
                + ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" + completion.text()
                + "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
                + prompt + ",\"completion_tokens\":" + completion.ids().length + ",\"total_tokens\":"
                + (prompt + completion.ids().length) + "}}", reply.body());
    }

    @Test
    void theFramesOfAStreamAreExact() {
        Completion completion = expected(50, 0);
        TestServer.Reply reply = chat(MESSAGES, "'temperature': 0, 'stream': true");
        JsonNode first = reply.events().getFirst();
        String head = "data: {\"id\":" + first.get("id") + ",\"object\":\"chat.completion.chunk\",\"created\":"
                + first.get("created") + ",\"model\":\"lab\",\"system_fingerprint\":" + first.get("system_fingerprint")
                + ",\"choices\":[{\"index\":0,\"delta\":";
        String end = ",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
        StringBuilder expected = new StringBuilder(head).append("{\"role\":\"assistant\",\"content\":\"\"}")
                .append(end);
        for (int i = 0; i < completion.ids().length - 1; i++) {   // the last of these tokens is the end of the turn
            expected.append(head).append("{\"content\":\"").append(new String(
                    server.engine.tokenizer().tokenBytes(completion.ids()[i]), StandardCharsets.UTF_8))
                    .append("\"}").append(end);
        }
        expected.append(head).append("{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
        assertEquals(expected.toString(), reply.body());
    }

    /** The tokens after the end of the turn have no text. Benchmarks expect a chunk for each token nevertheless. */
    @Test
    void aTokenOfNoTextHasAChunk() {
        TestServer.Reply reply = chat(MESSAGES, "'temperature': 0, 'ignore_eos': true, 'max_tokens': 30, "
                + "'stream': true, 'stream_options': {'include_usage': true, 'continuous_usage_stats': true}");
        List<JsonNode> parts = reply.events().subList(1, 31);
        assertTrue(parts.stream().anyMatch(part -> !part.get("choices").get(0).get("delta").has("content")),
                reply.body());
        for (int i = 0; i < parts.size(); i++) {
            assertEquals(i + 1, parts.get(i).get("usage").get("completion_tokens").intValue(), reply.body());
        }
    }

    @Test
    void logprobsAreThoseOfTheGenerator() {
        Completion completion = expected(3, 2);
        String fields = "'temperature': 0, 'max_completion_tokens': 3, 'logprobs': true, 'top_logprobs': 2";
        JsonNode content = chat(MESSAGES, fields).choice().get("logprobs").get("content");
        assertEquals(3, content.size());
        for (int i = 0; i < 3; i++) {
            JsonNode token = content.get(i);
            byte[] bytes = server.engine.tokenizer().tokenBytes(completion.ids()[i]);
            assertEquals(new String(bytes, StandardCharsets.UTF_8), token.get("token").stringValue());
            assertEquals(bytes[0] & 0xff, token.get("bytes").get(0).intValue());
            assertEquals(completion.logProbabilities()[i], token.get("logprob").floatValue());
            assertEquals(2, token.get("top_logprobs").size());
            assertEquals(completion.topTokens().logProbability(i, 1),
                    token.get("top_logprobs").get(1).get("logprob").floatValue());
        }
        int at = 0;
        for (JsonNode event : chat(MESSAGES, fields + ", 'stream': true").events()) {
            JsonNode logprobs = event.get("choices").get(0).get("logprobs");
            if (!logprobs.isNull()) {
                for (JsonNode token : logprobs.get("content").values()) {
                    assertEquals(content.get(at++), token);
                }
            }
        }
        assertEquals(3, at);
    }

    @Test
    void contentMayBeAListOfParts() {
        String parts = "\"messages\": [{\"role\": \"user\", \"content\": ["
                + "{\"type\": \"text\", \"text\": \"Spell the \"}, "
                + "{\"type\": \"text\", \"text\": \"word \\\"Ann\\\".\"}]}]";
        assertEquals(chat(MESSAGES, "'temperature': 0").choice(), chat(parts, "'temperature': 0").choice());
    }

    @Test
    void aMessageMayHaveAName() {
        String named = MESSAGES.replace("{\"role\"", "{\"name\": \"text\", \"role\"");
        assertEquals(chat(MESSAGES, "'temperature': 0").choice(), chat(named, "'temperature': 0").choice());
    }

    @Test
    void theLimitOfTokensHasTwoNames() {
        for (String name : List.of("max_tokens", "max_completion_tokens")) {
            JsonNode choice = chat(MESSAGES, "'temperature': 0, '" + name + "': 2").choice();
            assertEquals("length", choice.get("finish_reason").stringValue());
            assertEquals("A-", choice.get("message").get("content").stringValue());
        }
    }

    @Test
    void theTemplateRefusesWhatItDoesNotKnow() {
        TestServer.Reply reply = chat("\"messages\": [{\"role\": \"system\", \"content\": \"x\"}]", "'n': 1");
        assertEquals(400, reply.status());
        assertTrue(reply.error().get("message").stringValue().contains("user and assistant alone"), reply.body());
        reply = chat(MESSAGES, "'chat_template_kwargs': {'enable_thinking': true}");
        assertEquals(400, reply.status());
        assertEquals("chat_template_kwargs", reply.error().get("param").stringValue());
    }
}
