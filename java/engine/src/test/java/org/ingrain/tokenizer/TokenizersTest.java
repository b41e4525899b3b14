package org.ingrain.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizersTest {
    private static final int A = 260;
    private static final int SPACE_AB = 264;

    @TempDir
    private Path folder;

    @Test
    void sentencePiecePrependsBosAndASpaceToEveryPart() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals(266, tokenizer.vocabSize());
            assertEquals(OptionalInt.of(1), tokenizer.bosId());
            assertEquals(List.of(2), tokenizer.eosIds());
            assertEquals(OptionalInt.of(A), tokenizer.tokenId("a"));
            assertTrue(tokenizer.tokenId("c").isEmpty());
            assertTrue(tokenizer.addsBos());
            assertArrayEquals(new int[] {1, SPACE_AB, 263}, tokenizer.encode("abab", true));
            assertArrayEquals(new int[] {1, SPACE_AB, 2, 1, SPACE_AB}, tokenizer.encode("<s>ab</s><s>ab", false));
            assertArrayEquals(new int[] {1}, tokenizer.encode("", true));
        }
    }

    @Test
    void sentencePieceWithoutLegacyPrependsASpaceOnlyToTheFirstPart() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"legacy\":false,\"add_bos_token\":false}");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertFalse(tokenizer.addsBos());
            assertArrayEquals(new int[] {SPACE_AB, 2, 263}, tokenizer.encode("ab</s>ab", true));
            assertArrayEquals(new int[] {1, 263}, tokenizer.encode("<s>ab", true));
        }
    }

    @Test
    void sentencePieceFallsBackToBytes() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertArrayEquals(new int[] {259, 3 + 0xF0, 3 + 0x9F, 3 + 0x98, 3 + 0x80, 3 + '\n'},
                    tokenizer.encode("😀\n", false));
            assertEquals("😀\n", tokenizer.decode(tokenizer.encode("😀\n", false), true));
            assertEquals("��ab", tokenizer.decode(new int[] {3 + 0xF0, 3 + 0x9F, 263}, true));
            assertArrayEquals(new byte[] {' '}, tokenizer.tokenBytes(259));
            assertArrayEquals(new byte[] {(byte) 0xF0}, tokenizer.tokenBytes(3 + 0xF0));
            assertArrayEquals(new byte[0], tokenizer.tokenBytes(1 << 20));
        }
    }

    @Test
    void addedTokensBecomeSingleIdsAndStripAsTheirFlagsSay() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"), """
                {"added_tokens_decoder":{"266":{"content":"<turn>","special":true,"lstrip":true,"rstrip":true},
                "267":{"content":"<turns>","special":false}},"bos_token":{"content":"<turn>"},"eos_token":"<turns>"}""");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals(OptionalInt.of(266), tokenizer.bosId());
            assertEquals(List.of(267), tokenizer.eosIds());
            assertArrayEquals(new int[] {SPACE_AB, 266, SPACE_AB, 267, SPACE_AB},
                    tokenizer.encode("ab  <turn>  ab<turns>ab", false));
            assertEquals("ab ab<turns> ab", tokenizer.decode(new int[] {SPACE_AB, 266, SPACE_AB, 267, SPACE_AB}, true));
        }
    }

    /** transformers' slow tokenizer ignores {@code add_prefix_space} if {@code legacy} is true. */
    @Test
    void addPrefixSpaceFalsePrependsNoSpaceUnlessLegacy() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        String config = "{\"legacy\":%s,\"add_prefix_space\":false,\"add_bos_token\":false}";
        Files.writeString(folder.resolve("tokenizer_config.json"), config.formatted(false));
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertArrayEquals(new int[] {263}, tokenizer.encode("ab", true));
            assertArrayEquals(new int[] {SPACE_AB, 2, 263}, tokenizer.encode(" ab</s>ab", true));
            assertEquals(" ab", tokenizer.decode(new int[] {SPACE_AB}, true));
            assertEquals("ab ab", tokenizer.decode(new int[] {263, SPACE_AB}, true));
        }
        Files.writeString(folder.resolve("tokenizer_config.json"), config.formatted(true));
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertArrayEquals(new int[] {SPACE_AB}, tokenizer.encode("ab", true));
            assertEquals("ab", tokenizer.decode(new int[] {SPACE_AB}, true));
        }
    }

    @Test
    void aSingleWordTokenIsNotMatchedInsideAWord() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"), """
                {"added_tokens_decoder":{"266":{"content":"ab","single_word":true}},"legacy":false}""");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertArrayEquals(new int[] {266}, tokenizer.encode("ab", false));
            assertArrayEquals(new int[] {266, 259, 266}, tokenizer.encode("ab ab", false));
            assertArrayEquals(new int[] {262, 263, A}, tokenizer.encode("aaba", false));
            assertArrayEquals(new int[] {262, 3 + '.', 266, 3 + '.'}, tokenizer.encode("a.ab.", false));
            assertArrayEquals(new int[] {SPACE_AB, 265}, tokenizer.encode("abé", false));
        }
    }

    @Test
    void namedSpecialTokensAreThoseOfTheConfigurations() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        Files.writeString(folder.resolve("special_tokens_map.json"), """
                {"unk_token":"<old>","mask_token":{"content":"<mask>"},"additional_special_tokens":["<x>",{"content":"<y>"}]}""");
        Files.writeString(folder.resolve("tokenizer_config.json"), """
                {"unk_token":"<unk>","pad_token":null,"extra_special_tokens":{"image_token":"<image>"}}""");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals(Map.of("unk_token", "<unk>", "mask_token", "<mask>", "image_token", "<image>",
                    "additional_special_tokens", List.of("<x>", "<y>")), tokenizer.specialTokens());
            Files.writeString(folder.resolve("chat_template.jinja"), "{{ bos_token }}{{ unk_token }}{{ mask_token }}"
                    + "{{ image_token }}{{ additional_special_tokens[1] }}{{ pad_token }}");
            assertEquals("<s><unk><mask><image><y>",
                    ChatTemplate.open(folder, tokenizer).render(List.of(Message.user("a")), true));
        }
    }

    @Test
    void tokenizerJsonFollowsItsPostProcessorAndItsSpecialTokens() throws IOException {
        TinyTokenizers.byteLevel(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"),
                "{\"bos_token\":\"<|begin|>\",\"eos_token\":\"<|end|>\"}");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals(259, tokenizer.vocabSize());
            assertEquals(List.of(1), tokenizer.eosIds());
            assertTrue(tokenizer.addsBos());
            assertArrayEquals(new int[] {0, 3 + 'a', 3 + ' ', 1}, tokenizer.encode("a <|end|>", true));
            assertArrayEquals(new int[] {3 + 'a', 0}, tokenizer.encode("a<|begin|>", false));
            assertEquals("a b<|end|>", tokenizer.decode(new int[] {3 + 'a', 3 + ' ', 3 + 'b', 1, 999}, false));
            assertEquals("a b", tokenizer.decode(new int[] {3 + 'a', 3 + ' ', 3 + 'b', 1, 999}, true));
        }
    }

    @Test
    void bothFormsOfALlama2VocabularyAgree() throws IOException {
        Path json = Files.createDirectories(folder.resolve("json"));
        Files.writeString(json.resolve("tokenizer_config.json"),
                "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"}}");
        TinyTokenizers.llama2Json(json);
        TinyTokenizers.sentencePiece(folder);
        try (Tokenizer one = Tokenizers.open(folder); Tokenizer other = Tokenizers.open(json)) {
            assertEquals(one.vocabSize(), other.vocabSize());
            assertEquals(one.bosToken(), other.bosToken());
            assertEquals(one.eosToken(), other.eosToken());
            for (String text : List.of("ab", "ab ab", "<s>ab</s>ab", "é", "你\n", "ab<s>", "")) {
                int[] ids = one.encode(text, true);
                assertArrayEquals(ids, other.encode(text, true),
                        () -> text + " " + Arrays.toString(other.encode(text, true)));
                assertEquals(one.decode(ids, true), other.decode(ids, true));
                assertEquals(one.decode(ids, false), other.decode(ids, false));
            }
        }
    }

    @Test
    void aTokenizerIsThreadSafe() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            ChatTemplate template = ChatTemplate.open(folder, tokenizer);
            List<String> texts = IntStream.range(0, 200).mapToObj(i -> "ab".repeat(i % 17) + i + "😀").toList();
            List<String> alone = texts.stream().map(text -> chat(tokenizer, template, text)).toList();
            assertEquals(alone, texts.parallelStream().map(text -> chat(tokenizer, template, text)).toList());
        }
    }

    private static String chat(Tokenizer tokenizer, ChatTemplate template, String text) {
        return tokenizer.decode(template.encode(tokenizer, List.of(Message.user(text)), true), false);
    }

    @Test
    void addBosTokenOverridesThePostProcessorForLlamaTokenizers() throws IOException {
        TinyTokenizers.byteLevel(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"),
                "{\"bos_token\":\"<|begin|>\",\"tokenizer_class\":\"LlamaTokenizerFast\",\"add_bos_token\":false}");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertFalse(tokenizer.addsBos());
            assertArrayEquals(new int[] {3 + 'a'}, tokenizer.encode("a", true));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"plain", " leading", "你好，世界", "a😀👍🏽b", "line\n\n\tline ", "é\u0301\u200d", "a\uD800b"})
    void streamedTextEqualsTheWholeAndNeverSplitsACharacter(String text) throws IOException {
        TinyTokenizers.byteLevel(folder);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            String expected = text.replace('\uD800', '\uFFFD');
            int[] ids = tokenizer.encode(text, false);
            assertEquals(expected, tokenizer.decode(ids, true));
            StreamingDecoder decoder = tokenizer.streamingDecoder(true);
            var streamed = new StringBuilder();
            for (int id : ids) {
                String piece = decoder.append(id);
                assertFalse(piece.contains("\uFFFD") && !expected.contains("\uFFFD"), piece);
                streamed.append(piece);
            }
            assertEquals(expected, streamed.append(decoder.flush()).toString());
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (int id : ids) {
                bytes.writeBytes(tokenizer.tokenBytes(id));
            }
            assertEquals(expected, bytes.toString(StandardCharsets.UTF_8));
        }
    }

    /** Expected texts: the ByteLevel decoder of tokenizers 0.22 for the same bytes. */
    @Test
    void brokenUtf8BecomesReplacementCharactersAsInTheTokenizersLibrary() throws IOException {
        TinyTokenizers.byteLevel(folder);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals("�a", decodeBytes(tokenizer, 0xE4, 0xBD, 'a'));
            assertEquals("���", decodeBytes(tokenizer, 0xED, 0xA0, 0x80));
            assertEquals("��", decodeBytes(tokenizer, 0xF0, 0x9F, 0xF0, 0x9F, 0x98));
            assertEquals("��", decodeBytes(tokenizer, 0xC0, 0x80));
            assertEquals("�", decodeBytes(tokenizer, 0xE4, 0xBD));
        }
    }

    private static String decodeBytes(Tokenizer tokenizer, int... bytes) {
        return tokenizer.decode(IntStream.of(bytes).map(b -> b + 3).toArray(), true);
    }

    @Test
    void refusesInvalidFiles() throws IOException {
        refused(folder + ": has no tokenizer.json and no tokenizer.model");
        Files.writeString(folder.resolve("tokenizer.model"), "not a model");
        refused("tokenizer.model: not a SentencePiece model");
        Path json = TinyTokenizers.byteLevel(folder);
        String whole = Files.readString(json);
        Files.writeString(json, whole.replace("\"decoder\":{\"type\":\"ByteLevel\"",
                "\"decoder\":{\"type\":\"WordPiece\""));
        refused("tokenizer.json: decoder: is WordPiece");
        Files.writeString(json, whole.replace("\"type\":\"BPE\"", "\"type\":\"Nonsense\""));
        refused("tokenizer.json: model: has the type 'Nonsense', expected BPE");
        Files.writeString(json, whole.replace("\"special_tokens\":{\"<|begin|>\"",
                "\"special_tokens\":{\"<|other|>\""));
        refused("tokenizer.json: post_processor: special_tokens lacks '<|begin|>'");
        Files.writeString(json, whole.replace("\"\\u0100\":3,", "\"\\u0100\":-3,"));
        refused("has the id -3, expected 0 to");
        Files.writeString(json, whole.substring(0, 300));
        refused("tokenizer.json: malformed JSON");
    }

    private void refused(String expected) {
        String message = assertThrows(InputException.class, () -> Tokenizers.open(folder)).getMessage();
        assertTrue(message.contains(expected), message);
        assertEquals(1, message.lines().count(), message);
    }
}
