package org.ingrain.template;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.TinyTokenizers;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Templates with the constructs of Qwen's and Mistral's templates. benchmarks/peers/templates_golden.py wrote the
 * golden texts with transformers 5.18 and jinja2 3.1.
 */
class GoldenTemplatesTest {
    @TempDir
    private Path folder;

    @Test
    void rendersAsTransformersWithAndWithoutThinking() throws IOException {
        Map<String, ChatTemplate> templates = new HashMap<>();
        JsonNode cases = Json.parse(Files.readString(resource("golden.json")), "golden.json").get("cases");
        assertEquals(120, cases.size());
        for (JsonNode entry : cases.values()) {
            ChatTemplate template = templates.computeIfAbsent(entry.get("template").stringValue()
                    + entry.get("thinking"), key -> template(entry));
            List<Message> chat = chat(entry.get("chat").stringValue());
            boolean prompt = entry.get("prompt").booleanValue();
            if (entry.get("text").isNull()) {
                assertThrows(InputException.class, () -> template.render(chat, prompt), entry.toString());
            } else {
                assertEquals(entry.get("text").stringValue(), template.render(chat, prompt), entry.toString());
            }
        }
    }

    @Test
    void enableThinkingIsAppliedAndRefusedIfTheTemplateDoesNotMentionIt() throws IOException {
        TinyTokenizers.byteLevel(folder);
        Files.copy(resource("thinking.jinja"), folder.resolve("chat_template.jinja"));
        List<Message> chat = List.of(Message.user("Hi"));
        String open = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals(open, ChatTemplate.open(folder, tokenizer).render(chat, true));
            assertEquals(open, ChatTemplate.open(folder, tokenizer, Optional.of(true)).render(chat, true));
            assertEquals(open + "<think>\n\n</think>\n\n",
                    ChatTemplate.open(folder, tokenizer, Optional.of(false)).render(chat, true));
            Path jinja = Files.writeString(folder.resolve("chat_template.jinja"), "{{ not_enable_thinking }}");
            String message = assertThrows(InputException.class,
                    () -> ChatTemplate.open(folder, tokenizer, Optional.of(true))).getMessage();
            assertEquals("enableThinking: true, but the chat template of " + jinja
                    + " does not mention enable_thinking, expected one that does", message);
        }
    }

    private static ChatTemplate template(JsonNode entry) {
        Map<String, Object> variables = new HashMap<>(Map.of("bos_token", "<s>", "eos_token", "</s>"));
        if (!entry.get("thinking").isNull()) {
            variables.put("enable_thinking", entry.get("thinking").booleanValue());
        }
        String name = entry.get("template").stringValue();
        try {
            return new ChatTemplate(name, Files.readString(resource(name)), variables);
        } catch (IOException unreadable) {
            throw new AssertionError(unreadable);
        }
    }

    private static List<Message> chat(String chat) {
        return Stream.of(chat.split("\\|")).map(message -> message.split(":", 2))
                .map(parts -> new Message(parts[0], parts[1])).toList();
    }

    private static Path resource(String name) {
        try {
            return Path.of(GoldenTemplatesTest.class.getResource(name).toURI());
        } catch (URISyntaxException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
