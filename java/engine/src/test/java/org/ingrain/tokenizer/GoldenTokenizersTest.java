package org.ingrain.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.StreamSupport;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/**
 * Small tokenizers with the pipelines of Qwen and Mistral. benchmarks/peers/tokenizers_golden.py wrote the golden
 * values with transformers 5.18 and tokenizers 0.23.
 */
class GoldenTokenizersTest {
    @TempDir
    private Path copy;

    @ParameterizedTest
    @ValueSource(strings = {"qwen", "mistral", "mistral-v3", "tekken"})
    void encodesAndDecodesAsTransformers(String name) {
        Path folder = folder(name);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            agrees(tokenizer, golden(folder));
        }
    }

    private static void agrees(Tokenizer tokenizer, JsonNode golden) {
        assertEquals(golden.get("size").intValue(), tokenizer.vocabSize());
        assertTrue(golden.get("texts").size() > 20);
        for (JsonNode entry : golden.get("texts").values()) {
            String text = entry.get("text").stringValue();
            int[] ids = ids(entry.get("ids"));
            assertArrayEquals(ids, tokenizer.encode(text, true),
                    () -> text + " " + Arrays.toString(tokenizer.encode(text, true)));
            String decoded = entry.path("decoded").asString(text);
            assertEquals(decoded, tokenizer.decode(ids, false));
            assertEquals(entry.path("spoken").asString(decoded), tokenizer.decode(ids, true));
        }
    }

    /**
     * At the end of a text, an incomplete character decodes to U+FFFD. During streaming it decodes to an empty text.
     */
    @ParameterizedTest
    @ValueSource(strings = {"qwen", "mistral", "mistral-v3", "tekken"})
    void everyBeginningDecodesAsInTransformersAndStreams(String name) {
        Path folder = folder(name);
        JsonNode cut = golden(folder).get("cut");
        int[] ids = ids(cut.get("ids"));
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            StreamingDecoder decoder = tokenizer.streamingDecoder(false);
            String streamed = "";
            for (int n = 1; n <= ids.length; n++) {
                String whole = cut.get("beginnings").get(n - 1).stringValue();
                assertEquals(whole, tokenizer.decode(Arrays.copyOf(ids, n), false));
                streamed += decoder.append(ids[n - 1]);
                assertFalse(streamed.contains("\uFFFD"), streamed);
                assertTrue(whole.startsWith(streamed), streamed);
            }
            assertEquals(cut.get("beginnings").get(ids.length - 1).stringValue(), streamed + decoder.flush());
        }
    }

    @Test
    void qwenHasNoBosAndSeveralEnds() throws IOException {
        copy("qwen", "tokenizer.json", "tokenizer_config.json");
        Files.writeString(copy.resolve("config.json"), "{\"bos_token_id\":593,\"eos_token_id\":593}");
        Files.writeString(copy.resolve("generation_config.json"),
                "{\"bos_token_id\":593,\"eos_token_id\":[595,593],\"pad_token_id\":593}");
        try (Tokenizer tokenizer = Tokenizers.open(copy)) {
            assertEquals(OptionalInt.of(593), tokenizer.tokenId("<|endoftext|>"));
            assertEquals(List.of(595, 593), tokenizer.eosIds());
            assertEquals(Optional.of("<|im_end|>"), tokenizer.eosToken());
            assertEquals(Optional.empty(), tokenizer.bosToken());
            assertEquals(OptionalInt.empty(), tokenizer.bosId());
            assertFalse(tokenizer.addsBos());
            int[] thought = tokenizer.encode("<think>\n\n</think>\n\n", false);
            assertEquals("<think>\n\n</think>\n\n", tokenizer.decode(thought, true), "added, but not special");
        }
    }

    @Test
    void vocabAndMergesGiveTheSameIds() throws IOException {
        Path folder = folder("qwen");
        copy("qwen", "tokenizer_config.json");
        JsonNode model = Json.parse(Files.readString(folder.resolve("tokenizer.json")), "tokenizer.json").get("model");
        Files.writeString(copy.resolve("vocab.json"), model.get("vocab").toString());
        List<String> merges = StreamSupport.stream(model.get("merges").spliterator(), false)
                .map(pair -> pair.get(0).stringValue() + " " + pair.get(1).stringValue()).toList();
        Files.writeString(copy.resolve("merges.txt"), "#version: 0.2\n" + String.join("\n", merges) + "\n");
        try (Tokenizer tokenizer = Tokenizers.open(copy)) {
            agrees(tokenizer, golden(folder));
        }
        Files.writeString(copy.resolve("tokenizer_config.json"), "{\"tokenizer_class\":\"GPT2Tokenizer\"}");
        String message = assertThrows(InputException.class, () -> Tokenizers.open(copy)).getMessage();
        assertEquals(copy + ": has vocab.json and merges.txt of the tokenizer_class 'GPT2Tokenizer', expected "
                + "Qwen2Tokenizer, or a tokenizer.json", message);
    }

    private void copy(String name, String... files) throws IOException {
        for (String file : files) {
            Files.copy(folder(name).resolve(file), copy.resolve(file));
        }
    }

    private static JsonNode golden(Path folder) {
        try {
            return Json.parse(Files.readString(folder.resolve("golden.json")), "golden.json");
        } catch (IOException unreadable) {
            throw new AssertionError(unreadable);
        }
    }

    private static Path folder(String name) {
        try {
            return Path.of(GoldenTokenizersTest.class.getResource(name).toURI());
        } catch (URISyntaxException impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static int[] ids(JsonNode ids) {
        return StreamSupport.stream(ids.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
    }
}
