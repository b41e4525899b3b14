package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Encodes chats with a template that, like Qwen3's, removes the thoughts of earlier answers. */
class ThinkingEncoderTest {
    private static final String USER = "<|im_start|>user\n";
    private static final String ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n";
    private static final String NO_THOUGHT = "<think>\n\n</think>\n\n";
    private static final List<Message> CHAT = List.of(Message.user("a"),
            Message.assistant("<think>\nso\n</think>\n\nb"), Message.user("c"), Message.assistant("d"));

    @TempDir
    private Path folder;

    private Tokenizer tokenizer;

    @BeforeEach
    void open() throws IOException {
        for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
            Files.copy(resource("/org/ingrain/tokenizer/qwen/" + file), folder.resolve(file));
        }
        Files.copy(resource("/org/ingrain/template/thinking.jinja"), folder.resolve("chat_template.jinja"));
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\":[593,595]}");
        tokenizer = Tokenizers.open(folder);
    }

    @AfterEach
    void close() {
        tokenizer.close();
    }

    @Test
    void everyAnswerFollowsThePromptThatSamplingBeginsWith() {
        ChatTemplate template = template(Optional.empty());
        List<TrainingSequence> sequences = encode(template, new TrainingExample.Conversation(CHAT));
        assertEquals(List.of(USER + "a" + ASSISTANT + "[<think>\nso\n</think>\n\nb<|im_end|>]",
                USER + "a" + ASSISTANT + "b<|im_end|>\n" + USER + "c" + ASSISTANT + "[" + NO_THOUGHT
                        + "d<|im_end|>]"), shown(sequences));
        for (int i = 0; i < 2; i++) {
            int[] prompt = template.encode(tokenizer, CHAT.subList(0, 2 * i + 1), true);
            assertArrayEquals(prompt, Arrays.copyOf(sequences.get(i).ids(), prompt.length));
            assertEquals(prompt.length, sequences.get(i).targets().nextSetBit(0));
        }
    }

    @Test
    void earlierAnswersOfAPromptMayHaveThoughts() {
        assertEquals(List.of(USER + "a" + ASSISTANT + "b<|im_end|>\n" + USER + "c" + ASSISTANT + "[" + NO_THOUGHT
                + "d<|im_end|>]"), shown(encode(template(Optional.empty()),
                        new TrainingExample.Answer(CHAT.subList(0, 3), CHAT.subList(3, 4)))));
    }

    @Test
    void withTheSwitchOffTheThoughtIsPartOfThePrompt() {
        ChatTemplate template = template(Optional.of(false));
        assertEquals(List.of(USER + "c" + ASSISTANT + NO_THOUGHT + "[d<|im_end|>]"), shown(encode(template,
                new TrainingExample.Answer(CHAT.subList(2, 3), CHAT.subList(3, 4)))));
        String message = assertThrows(InputException.class,
                () -> encode(template, new TrainingExample.Conversation(CHAT))).getMessage();
        assertTrue(message.startsWith("row: the chat template renders earlier messages differently"), message);
    }

    /**
     * All sequences of a row are used for training, or all for validation, because later prompts of a row contain its
     * earlier answers.
     */
    @Test
    void theSequencesOfARowStayTogether() throws IOException {
        String row = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"
                + "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"d\"}]}";
        Path rows = Files.write(folder.resolve("rows.jsonl"), Collections.nCopies(4, row));
        TrainingData data = TrainingDataReader.read(new DataConfig(rows, null, 0.25, 64, false, false), tokenizer,
                template(Optional.empty()), 3);
        assertEquals(6, data.train().size());
        assertEquals(2, data.validation().size());
        assertEquals(shown(data.train().subList(0, 2)), shown(data.validation()));
    }

    @Test
    void theEndTaughtIsTheTokenizersOwn() {
        assertEquals(List.of("a[b<|im_end|>]"), shown(encode(template(Optional.empty()),
                new TrainingExample.Completion("a", "b"))));
    }

    private ChatTemplate template(Optional<Boolean> enableThinking) {
        return ChatTemplate.open(folder, tokenizer, enableThinking);
    }

    private List<TrainingSequence> encode(ChatTemplate template, TrainingExample example) {
        return new ExampleEncoder(tokenizer, template, 200, false).encode(new ExampleReader.Row("row", example));
    }

    /** The text of each sequence, with the targets in square brackets. */
    private List<String> shown(List<TrainingSequence> sequences) {
        return sequences.stream().map(sequence -> {
            int begin = sequence.targets().nextSetBit(0);
            assertEquals(sequence.length() - begin, sequence.targets().cardinality());
            return text(sequence, 0, begin) + "[" + text(sequence, begin, sequence.length()) + "]";
        }).toList();
    }

    private String text(TrainingSequence sequence, int from, int to) {
        return tokenizer.decode(Arrays.copyOfRange(sequence.ids(), from, to), false);
    }

    private static Path resource(String name) {
        try {
            return Path.of(ThinkingEncoderTest.class.getResource(name).toURI());
        } catch (URISyntaxException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
