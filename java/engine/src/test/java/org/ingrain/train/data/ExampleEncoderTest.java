package org.ingrain.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.TestFolders;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Uses a tokenizer with one token per character, except that "ab" is one token. The special token ^ begins a sequence
 * and $ ends it. The template renders chats like {@code <u:Hi><a:Ho$>}.
 */
class ExampleEncoderTest {
    private static final int MERGED = 1000;
    private static final String TEMPLATE =
            "{% for m in messages %}{% if m.role == 'user' %}<u:{{ m.content }}>{% else %}<a:{{ m.content }}$>"
            + "{% endif %}{% endfor %}{% if add_generation_prompt %}<a:{% endif %}";

    @TempDir
    Path folder;

    private ChatTemplate template;

    private static final class Characters implements Tokenizer {
        @Override
        public int[] encode(String text, boolean addSpecial) {
            List<Integer> ids = new ArrayList<>();
            if (addSpecial) {
                ids.add((int) '^');
            }
            for (int i = 0; i < text.length(); i++) {
                boolean merges = text.startsWith("ab", i);
                ids.add(merges ? MERGED : (int) text.charAt(i));
                i += merges ? 1 : 0;
            }
            return ids.stream().mapToInt(Integer::intValue).toArray();
        }

        @Override
        public StreamingDecoder streamingDecoder(boolean skipSpecial) {
            throw new UnsupportedOperationException("nothing is decoded here");
        }

        @Override
        public byte[] tokenBytes(int id) {
            throw new UnsupportedOperationException("nothing is decoded here");
        }

        @Override
        public int vocabSize() {
            return MERGED + 1;
        }

        @Override
        public OptionalInt bosId() {
            return OptionalInt.of('^');
        }

        @Override
        public List<Integer> eosIds() {
            return List.of((int) '$');
        }

        @Override
        public OptionalInt tokenId(String token) {
            return OptionalInt.empty();
        }

        @Override
        public Optional<String> bosToken() {
            return Optional.of("^");
        }

        @Override
        public Optional<String> eosToken() {
            return Optional.of("$");
        }

        @Override
        public Map<String, Object> specialTokens() {
            return Map.of();
        }

        @Override
        public boolean addsBos() {
            return true;
        }

        @Override
        public void close() {
            // This tokenizer holds no resources.
        }
    }

    @BeforeEach
    void write() throws IOException {
        Files.writeString(folder.resolve("chat_template.jinja"), TEMPLATE);
        template = ChatTemplate.open(folder, new Characters());
    }

    private TrainingSequence encode(TrainingExample example) {
        return encode(example, 100, false);
    }

    private TrainingSequence encode(TrainingExample example, int maxLength, boolean truncate) {
        List<TrainingSequence> sequences = new ExampleEncoder(new Characters(), template, maxLength, truncate)
                .encode(new ExampleReader.Row("rows.jsonl line 3", example));
        assertEquals(1, sequences.size());
        return sequences.getFirst();
    }

    /** Returns the ids as characters: targets in square brackets, and "&" for the token "ab". */
    private static String shown(TrainingSequence sequence) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < sequence.length(); i++) {
            char c = sequence.ids()[i] == MERGED ? '&' : (char) sequence.ids()[i];
            text.append(sequence.targets().get(i) ? "[" + c + "]" : String.valueOf(c));
        }
        return text.toString().replace("][", "");
    }

    @Test
    void completionIsTheTargetWithTheTokenThatEndsIt() {
        assertEquals("^2+2=[4$]", shown(encode(new TrainingExample.Completion("2+2=", "4"))));
        assertEquals("^2+2=[4$]", shown(encode(new TrainingExample.Completion("2+2=", "4$"))), "one end");
        assertEquals("^[4$]", shown(encode(new TrainingExample.Completion("", "4"))));
    }

    @Test
    void aTextThatBringsItsBosHasOne() {
        assertEquals("^2+2=[4$]", shown(encode(new TrainingExample.Completion("^2+2=", "4"))));
        assertEquals("^[once$]", shown(encode(new TrainingExample.Text("^once"))));
    }

    @Test
    void aTokenThatWouldReachAcrossTheBoundaryIsCut() {
        assertEquals("^xa[b$]", shown(encode(new TrainingExample.Completion("xa", "b"))),
                "the prompt has the same tokens as in sampling");
        assertEquals("^x[&$]", shown(encode(new TrainingExample.Completion("x", "ab"))));
        assertEquals("^&[&b$]", shown(encode(new TrainingExample.Completion("ab", "abb"))));
    }

    @Test
    void answerIsTheTargetAndNothingAfterItsEnd() {
        TrainingExample.Answer row = new TrainingExample.Answer(
                List.of(Message.user("Hi")), List.of(Message.assistant("Ho")));
        assertEquals("^<u:Hi><a:[Ho$]", shown(encode(row)));
        TrainingExample.Answer shots = new TrainingExample.Answer(
                List.of(Message.user("1"), Message.assistant("2"), Message.user("3")), List.of(Message.assistant("4")));
        assertEquals("^<u:1><a:2$><u:3><a:[4$]", shown(encode(shots)), "an answer within the prompt is not a target");
    }

    @Test
    void everyTurnOfTheAssistantIsATarget() {
        TrainingExample.Conversation row = new TrainingExample.Conversation(
                List.of(Message.user("1"), Message.assistant("ab"), Message.user("3"), Message.assistant("4"),
                        Message.user("bye")));
        assertEquals("^<u:1><a:[&$]><u:3><a:[4$]", shown(encode(row)));
    }

    @Test
    void textIsATargetButForItsFirstToken() {
        assertEquals("^[once$]", shown(encode(new TrainingExample.Text("once"))));
    }

    private void refused(String expected, TrainingExample example, int maxLength, boolean truncate) {
        String message = assertThrows(InputException.class, () -> encode(example, maxLength, truncate)).getMessage();
        assertTrue(message.matches("(maxLength: )?rows.jsonl line 3: .*") && message.contains(expected), message);
    }

    @Test
    void aRowWithoutATargetIsRefused() {
        refused("completion is empty", new TrainingExample.Completion("p", ""), 100, false);
        refused("text has 0 tokens", new TrainingExample.Text(""), 100, false);
        refused("no assistant message", new TrainingExample.Conversation(List.of(Message.user("u"))), 100, false);
        refused("no assistant message", new TrainingExample.Answer(
                List.of(Message.user("u")), List.of(Message.assistant(""))), 100, false);
        refused("no assistant message", new TrainingExample.Answer(
                List.of(Message.user("u"), Message.assistant("a")), List.of(Message.user("v"))), 100, false);
    }

    @Test
    void aLongRowIsRefusedOrCut() {
        TrainingExample row = new TrainingExample.Completion("1234567", "89");
        refused("has 11 tokens, expected at most 9", row, 9, false);
        assertEquals("^1234567[8]", shown(encode(row, 9, true)));
        assertEquals(List.of(), new ExampleEncoder(new Characters(), template, 8, true)
                .encode(new ExampleReader.Row("rows.jsonl line 3", row)), "no target token is left");
        assertEquals("^1234567[89$]", shown(encode(row, 11, false)));
    }

    @Test
    void aTemplateThatRewritesThePastIsRefused() throws IOException {
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ messages|length }}" + TEMPLATE);
        template = ChatTemplate.open(folder, new Characters());
        refused("renders earlier messages differently",
                new TrainingExample.Conversation(List.of(Message.user("1"), Message.assistant("2"))), 100, false);
    }

    /**
     * Uses a real tokenizer and template. The sequence begins with the ids that sampling would use as its prompt, and
     * the remaining ids decode to the answer.
     */
    @Test
    void realTokenizerAndTemplate() {
        Path model = TestFolders.model("minimind2-small");
        try (Tokenizer tokenizer = Tokenizers.open(model)) {
            ChatTemplate real = ChatTemplate.open(model, tokenizer);
            List<Message> prompt = List.of(Message.user(
                    "Take the last letters of the words in \"Edgar Bob\" and concatenate them."));
            TrainingSequence row = new ExampleEncoder(tokenizer, real, 512, false)
                    .encode(
                            new ExampleReader.Row("row", new TrainingExample.Answer(
                                    prompt, List.of(Message.assistant("rb"))))).getFirst();
            int[] sampled = real.encode(tokenizer, prompt, true);
            assertArrayEquals(sampled, IntStream.of(row.ids()).limit(sampled.length).toArray());
            assertEquals(sampled.length, row.targets().nextSetBit(0));
            assertEquals(row.length(), row.targets().nextClearBit(sampled.length));
            assertTrue(tokenizer.eosIds().contains(row.ids()[row.length() - 1]));
            assertEquals("rb", tokenizer.decode(IntStream.of(row.ids()).skip(sampled.length).toArray(), true));
        }
    }
}
