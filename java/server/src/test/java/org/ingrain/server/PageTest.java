package org.ingrain.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests the page at {@code /}. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PageTest {
    private static final int MOST_BYTES = 15 << 10;
    private static final Path METHODS = Path.of(System.getProperty("ingrain.root"))
            .resolve("java/distill/src/main/resources/org/ingrain/distill/methods");

    private TestServer.Reply reply;

    @BeforeAll
    void load() {
        try (TestServer server = new TestServer(config -> config.withApiKey("k"))) {
            reply = server.get("/");
        }
    }

    private String header(String name) {
        return reply.response().headers().firstValue(name).orElse("");
    }

    @Test
    void thePageIsServedWithoutAKeyAndIsSmall() {
        assertEquals(200, reply.status());
        assertEquals("text/html; charset=utf-8", header("Content-Type"));
        assertTrue(reply.body().startsWith("<!doctype html>"), reply.body());
        int bytes = reply.body().getBytes(StandardCharsets.UTF_8).length;
        assertTrue(bytes < MOST_BYTES, () -> bytes + " bytes");
    }

    /**
     * The page contains nothing that its policy would block: no script or style attributes, and no external resources.
     */
    @Test
    void thePageLoadsNothingAndWritesNoHtml() {
        for (String pattern : List.of("\\ssrc=", "(?i)https?:", "@import", "url\\(",
                "<link(?! rel=\"icon\" href=\"data:)", "\\son[a-z]+=\"", "\\sstyle=\"", "\\.style\\b", "innerHTML",
                "outerHTML", "insertAdjacentHTML", "document\\.write", "\\beval\\(")) {
            Matcher found = Pattern.compile(pattern).matcher(reply.body());
            assertFalse(found.find(), pattern);
        }
    }

    @Test
    void thePolicyAllowsTheStyleAndTheScriptOfThePageOnly() throws NoSuchAlgorithmException {
        String policy = header("Content-Security-Policy");
        assertTrue(policy.startsWith("default-src 'none';"), policy);
        assertTrue(policy.contains("; connect-src 'self';"), policy);
        assertTrue(policy.contains("; style-src " + hash("style") + ";"), policy);
        assertTrue(policy.contains("; script-src " + hash("script") + ";"), policy);
        assertFalse(policy.contains("unsafe"), policy);
        assertEquals("nosniff", header("X-Content-Type-Options"));
    }

    private String hash(String tag) throws NoSuchAlgorithmException {
        String[] parts = reply.body().split("<" + tag + ">|</" + tag + ">");
        String text = parts[parts.length - 2];
        return "'sha256-" + Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256")
                .digest(text.getBytes(StandardCharsets.UTF_8))) + "'";
    }

    @Test
    void thePromptsAreThoseOfTheMethods() throws IOException {
        Set<String> prompts = new HashSet<>();
        try (Stream<Path> files = Files.list(METHODS)) {
            for (Path file : files.toList()) {
                for (JsonNode step : JsonMapper.shared().readTree(Files.readAllBytes(file)).get("steps").values()) {
                    step.get("variants").values().forEach(variant -> prompts.add(variant.get("prompt").stringValue()));
                }
            }
        }
        Matcher json = Pattern.compile("<script id=\"methods\" type=\"application/json\">(.*?)</script>",
                Pattern.DOTALL).matcher(reply.body());
        assertTrue(json.find());
        JsonNode methods = JsonMapper.shared().readTree(json.group(1));
        assertTrue(methods.size() > 3, methods.toString());
        for (JsonNode method : methods.values()) {
            for (JsonNode step : method.get("steps").values()) {
                assertTrue(prompts.contains(step.get(1).stringValue()), step.toString());
            }
        }
    }
}
