package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Generator;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.sample.TopTokens;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests {@code /v1/completions}: forms of prompts and answers, log-probabilities, streams. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CompletionsTest {
    private static final String PROMPT = "Take the last letters of the words in \"Ann";

    private TestServer server;

    @BeforeAll
    void start() {
        server = new TestServer();
    }

    @AfterAll
    void stop() {
        server.close();
    }

    /** Completes a prompt with a separate generator. */
    private List<Completion> expected(int[] prompt, int n, SamplingParams params, int top, boolean scores) {
        try (Generator generator = server.engine.generator(TestServer.SIZES)) {
            return generator.generate(List.of(new Request(prompt, n, 0, params, -1, scores).withContinuesText(true)
                    .withTopTokens(top))).getFirst();
        }
    }

    private int[] ids(String text) {
        return server.engine.tokenizer().encodeBegin(text);
    }

    private static String quoted(String text) {
        return JsonMapper.shared().writeValueAsString(text);
    }

    private static String request(String fields) {
        return "{\"prompt\": " + quoted(PROMPT) + ", " + fields.replace('\'', '"') + "}";
    }

    private TestServer.Reply complete(String fields) {
        return server.send(server.request("/v1/completions", request(fields)));
    }

    private String tokenText(int id) {
        return new String(server.engine.tokenizer().tokenBytes(id), StandardCharsets.UTF_8);
    }

    @Test
    void theAnswerHasTheFormOfOpenAi() {
        TestServer.Reply reply = complete("'max_tokens': 6, 'temperature': 0, 'model': 'lab'");
        assertEquals(200, reply.status(), reply.body());
        assertEquals("application/json", reply.response().headers().firstValue("content-type").orElseThrow());
        Completion completion = expected(ids(PROMPT), 1, SamplingParams.greedy(6), 0, false).getFirst();
        JsonNode json = reply.json();
        assertTrue(json.get("id").stringValue().matches("cmpl-[0-9a-f]{32}"), reply.body());
        assertTrue(json.get("created").isIntegralNumber());
        String expected = "{\"id\":" + json.get("id") + ",\"object\":\"text_completion\",\"created\":"
                + json.get("created") + ",\"model\":\"lab\",\"system_fingerprint\":" + json.get("system_fingerprint")
                + ",\"choices\":[{\"index\":0,\"text\":" + quoted(completion.text())
                + ",\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":" + ids(PROMPT).length
                + ",\"completion_tokens\":6,\"total_tokens\":" + (ids(PROMPT).length + 6) + "}}";
        assertEquals(expected, reply.body());
    }

    @Test
    void everyFormOfPromptsIsAccepted() {
        int[] ids = ids(PROMPT);
        String list = JsonMapper.shared().writeValueAsString(ids);
        String text = complete("'max_tokens': 5, 'temperature': 0").choice().get("text").stringValue();
        for (String prompt : List.of(list, "[" + list + "]", "[" + quoted(PROMPT) + "]")) {
            assertEquals(text, server.completion("{\"prompt\": " + prompt + ", \"max_tokens\": 5, \"temperature\": 0}")
                    .choice().get("text").stringValue());
        }
        JsonNode choices = server.completion("{\"prompt\": [" + quoted(PROMPT) + ", \"The\"], \"max_tokens\": 5, "
                + "\"temperature\": 0, \"n\": 2}").json().get("choices");
        assertEquals(4, choices.size());
        for (int i = 0; i < 4; i++) {
            assertEquals(i, choices.get(i).get("index").intValue());
            assertEquals(i < 2, choices.get(i).get("text").stringValue().equals(text));
        }
    }

    @Test
    void samplesAreThoseOfTheGenerator() {
        SamplingParams params = SamplingParams.sampled(0.9, 0.95, 12, 7).withTopK(20);
        List<Completion> completions = expected(ids(PROMPT), 3, params, 0, false);
        TestServer.Reply reply = complete("'max_tokens': 12, 'temperature': 0.9, 'top_p': 0.95, 'top_k': 20, "
                + "'seed': 7, 'n': 3");
        for (Completion completion : completions) {
            JsonNode choice = reply.json().get("choices").get(completion.sample());
            assertEquals(completion.text(), choice.get("text").stringValue());
            assertEquals(completion.reason() == Completion.FinishReason.STOP ? "stop" : "length",
                    choice.get("finish_reason").stringValue());
        }
        assertEquals(completions.stream().mapToInt(one -> one.ids().length).sum(),
                reply.json().get("usage").get("completion_tokens").intValue());
    }

    /** The kind of request that lm-eval sends: token ids, echo, and one generated token. */
    @Test
    void echoScoresThePrompt() {
        int[] ids = ids(PROMPT);
        Completion completion = expected(ids, 1, SamplingParams.greedy(1), 1, true).getFirst();
        JsonNode choice = server.completion("{'prompt': [" + JsonMapper.shared().writeValueAsString(ids)
                + "], 'max_tokens': 1, 'temperature': 0, 'echo': true, 'logprobs': 1, 'seed': 1234}").choice();
        assertEquals(PROMPT + completion.text(), choice.get("text").stringValue());
        JsonNode logprobs = choice.get("logprobs");
        assertEquals(ids.length + 1, logprobs.get("tokens").size());
        assertTrue(logprobs.get("token_logprobs").get(0).isNull() && logprobs.get("top_logprobs").get(0).isNull());
        int offset = 0;
        for (int i = 0; i < ids.length; i++) {
            assertEquals(tokenText(ids[i]), logprobs.get("tokens").get(i).stringValue());
            assertEquals(offset, logprobs.get("text_offset").get(i).intValue());
            offset += tokenText(ids[i]).length();
            if (i > 0) {
                float value = completion.promptLogProbabilities()[i];
                assertEquals(value, logprobs.get("token_logprobs").get(i).floatValue());
                checkTop(completion.promptTopTokens(), i, ids[i], value, logprobs.get("top_logprobs").get(i), 1);
            }
        }
        assertEquals(completion.logProbabilities()[0], logprobs.get("token_logprobs").get(ids.length).floatValue());
    }

    /** Checks that top_logprobs contains the most probable tokens and the generated token with its log-probability. */
    private void checkTop(TopTokens top, int position, int id, float own, JsonNode found, int n) {
        boolean among = false;
        for (int rank = 0; rank < n; rank++) {
            int other = top.id(position, rank);
            among |= other == id;
            assertEquals(other == id ? own : top.logProbability(position, rank),
                    found.get(tokenText(other)).floatValue());
        }
        assertEquals(own, found.get(tokenText(id)).floatValue());
        assertEquals(n + (among ? 0 : 1), found.size());
    }

    @Test
    void logprobsAreThoseOfTheGenerator() {
        Completion completion = expected(ids(PROMPT), 1, SamplingParams.sampled(1.2, 1, 9, 3), 4, true).getFirst();
        JsonNode choice = complete("'max_tokens': 9, 'temperature': 1.2, 'seed': 3, 'logprobs': 4, "
                + "'prompt_logprobs': 2").choice();
        JsonNode logprobs = choice.get("logprobs");
        assertEquals(completion.ids().length, logprobs.get("tokens").size());
        for (int i = 0; i < completion.ids().length; i++) {
            assertEquals(completion.logProbabilities()[i], logprobs.get("token_logprobs").get(i).floatValue());
            checkTop(completion.topTokens(), i, completion.ids()[i], completion.logProbabilities()[i],
                    logprobs.get("top_logprobs").get(i), 4);
        }
        int[] ids = ids(PROMPT);
        JsonNode scores = choice.get("prompt_logprobs");
        assertTrue(scores.get(0).isNull());
        for (int i = 1; i < ids.length; i++) {
            JsonNode own = scores.get(i).get(Integer.toString(ids[i]));
            assertEquals(completion.promptLogProbabilities()[i], own.get("logprob").floatValue());
            assertEquals(tokenText(ids[i]), own.get("decoded_token").stringValue());
            JsonNode best = scores.get(i).get(Integer.toString(completion.promptTopTokens().id(i, 0)));
            assertEquals(1, best.get("rank").intValue());
        }
    }

    @Test
    void noTokensAreGeneratedIfOnlyThePromptIsAsked() {
        JsonNode json = complete("'max_tokens': 0, 'echo': true, 'logprobs': 0").json();
        JsonNode choice = json.get("choices").get(0);
        assertEquals(PROMPT, choice.get("text").stringValue());
        assertEquals("length", choice.get("finish_reason").stringValue());
        assertEquals(ids(PROMPT).length, choice.get("logprobs").get("tokens").size());
        assertEquals(1, choice.get("logprobs").get("top_logprobs").get(1).size());
        assertEquals(0, json.get("usage").get("completion_tokens").intValue());
    }

    @Test
    void stopsAtStringsAndTokens() {
        String text = complete("'max_tokens': 12, 'temperature': 0").choice().get("text").stringValue();
        String stop = text.substring(4, 6);
        JsonNode choice = complete("'max_tokens': 12, 'temperature': 0, 'stop': [" + quoted(stop) + "]").choice();
        assertEquals(text.substring(0, text.indexOf(stop)), choice.get("text").stringValue());
        assertEquals("stop", choice.get("finish_reason").stringValue());
        int[] ids = expected(ids(PROMPT), 1, SamplingParams.greedy(12), 0, false).getFirst().ids();
        JsonNode byId = complete("'max_tokens': 12, 'temperature': 0, 'stop_token_ids': [" + ids[2] + "]").json();
        assertEquals("stop", byId.get("choices").get(0).get("finish_reason").stringValue());
        assertTrue(byId.get("usage").get("completion_tokens").intValue() <= 3);
    }

    @Test
    void minimumAndBiasesAreThoseOfTheGenerator() {
        int end = expected(ids(PROMPT), 1, SamplingParams.greedy(3), 0, false).getFirst().ids()[2];
        SamplingParams params = SamplingParams.greedy(8).withStopTokens(List.of(end)).withMinTokens(6)
                .withLogitBias(Map.of(end, -100f, 20, 3.5f));
        Completion completion = expected(ids(PROMPT), 1, params, 0, false).getFirst();
        JsonNode json = complete("'max_tokens': 8, 'temperature': 0, 'stop_token_ids': [" + end + "], 'min_tokens': 6, "
                + "'logit_bias': {'" + end + "': -100, '20': 3.5}").json();
        assertEquals(completion.text(), json.get("choices").get(0).get("text").stringValue());
        assertEquals(completion.ids().length, json.get("usage").get("completion_tokens").intValue());
        assertTrue(completion.ids().length >= 6);
    }

    @Test
    void theFramesOfAStreamAreExact() {
        TestServer.Reply reply = complete("'max_tokens': 4, 'temperature': 0, 'stream': true, 'ignore_eos': true, "
                + "'stream_options': {'include_usage': true}");
        assertEquals("text/event-stream; charset=utf-8",
                reply.response().headers().firstValue("content-type").orElseThrow());
        int[] ids = expected(ids(PROMPT), 1, SamplingParams.greedy(4).withIgnoreEos(true), 0, false).getFirst().ids();
        JsonNode first = reply.events().getFirst();
        String head = "data: {\"id\":" + first.get("id") + ",\"object\":\"text_completion\",\"created\":"
                + first.get("created") + ",\"model\":\"lab\",\"system_fingerprint\":" + first.get("system_fingerprint")
                + ",\"choices\":[";
        StringBuilder expected = new StringBuilder();
        for (int i = 0; i < 4; i++) {
            expected.append(head).append("{\"index\":0,\"text\":").append(quoted(tokenText(ids[i])))
                    .append(",\"logprobs\":null,\"finish_reason\":").append(i < 3 ? "null" : "\"length\"")
                    .append("}]}\n\n");
        }
        expected.append(head).append("],\"usage\":{\"prompt_tokens\":").append(ids(PROMPT).length)
                .append(",\"completion_tokens\":4,\"total_tokens\":").append(ids(PROMPT).length + 4)
                .append("}}\n\ndata: [DONE]\n\n");
        assertEquals(expected.toString(), reply.body());
    }

    /** The concatenated parts of each streamed choice equal the choice in an answer that is not streamed. */
    @Test
    void aStreamHasTheContentOfTheWholeAnswer() {
        String fields = "'max_tokens': 15, 'temperature': 1, 'seed': 11, 'n': 3, 'logprobs': 2, "
                + "'stop': [' the', '\\n']";
        JsonNode whole = complete(fields).json();
        List<JsonNode> events = complete(fields + ", 'stream': true").events();
        for (int choice = 0; choice < 3; choice++) {
            StringBuilder text = new StringBuilder();
            List<JsonNode> tokens = new ArrayList<>();
            List<JsonNode> values = new ArrayList<>();
            List<JsonNode> tops = new ArrayList<>();
            List<JsonNode> offsets = new ArrayList<>();
            List<String> reasons = new ArrayList<>();
            for (JsonNode event : events) {
                assertFalse(event.has("usage"));
                JsonNode part = event.get("choices").get(0);
                if (part.get("index").intValue() == choice) {
                    text.append(part.get("text").stringValue());
                    part.get("logprobs").get("tokens").forEach(tokens::add);
                    part.get("logprobs").get("token_logprobs").forEach(values::add);
                    part.get("logprobs").get("top_logprobs").forEach(tops::add);
                    part.get("logprobs").get("text_offset").forEach(offsets::add);
                    reasons.add(part.get("finish_reason").isNull() ? "" : part.get("finish_reason").stringValue());
                }
            }
            JsonNode expected = whole.get("choices").get(choice);
            assertEquals(expected.get("text").stringValue(), text.toString());
            assertEquals(expected.get("logprobs").get("tokens").values().stream().toList(), tokens);
            assertEquals(expected.get("logprobs").get("token_logprobs").values().stream().toList(), values);
            assertEquals(expected.get("logprobs").get("top_logprobs").values().stream().toList(), tops);
            assertEquals(expected.get("logprobs").get("text_offset").values().stream().toList(), offsets);
            assertEquals(expected.get("finish_reason").stringValue(), reasons.removeLast());
            assertTrue(reasons.stream().allMatch(String::isEmpty));
        }
    }

    @Test
    void anEchoIsStreamedFirst() {
        List<JsonNode> events = complete("'max_tokens': 2, 'temperature': 0, 'echo': true, 'stream': true, "
                + "'stream_options': {'include_usage': true, 'continuous_usage_stats': true}").events();
        assertEquals(PROMPT, events.getFirst().get("choices").get(0).get("text").stringValue());
        assertEquals(4, events.size());
        assertEquals(List.of(0, 1, 2, 2), events.stream()
                .map(event -> event.get("usage").get("completion_tokens").intValue()).toList());
        events = complete("'max_tokens': 0, 'echo': true, 'stream': true").events();
        assertEquals(List.of(PROMPT, ""), events.stream()
                .map(event -> event.get("choices").get(0).get("text").stringValue()).toList());
    }

    @Test
    void tokensAreNamedByIdsOnRequest() {
        int[] ids = expected(ids(PROMPT), 1, SamplingParams.greedy(2), 0, false).getFirst().ids();
        JsonNode logprobs = complete("'max_tokens': 2, 'temperature': 0, 'logprobs': 1, "
                + "'return_tokens_as_token_ids': true").choice().get("logprobs");
        assertEquals("token_id:" + ids[0], logprobs.get("tokens").get(0).stringValue());
        assertTrue(logprobs.get("top_logprobs").get(0).has("token_id:" + ids[0]));
    }
}
