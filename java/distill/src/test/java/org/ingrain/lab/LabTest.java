package org.ingrain.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.distill.run.Progress;
import org.ingrain.engine.ModelOptions;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LabTest {
    @TempDir
    Path base;

    /** Thrown to simulate the end of the process. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    private static Path make(Path folder, Progress progress) {
        LabConfig config = new LabConfig(Course.LETTERS_AND_COINS, 3, 96, 8, 1e-3, 4, 2, 2, 1);
        ModelOptions options = ModelOptions.of(folder).withThreads(1).withDtype("f32");
        return new Lab(List.of(config), options, new TreeMap<>(), progress).make(folder);
    }

    @Test
    @Tag("long")
    void aSmallModelIsMadeTheSameAfterAKill() throws IOException {
        Path whole = make(base.resolve("whole"), Progress.SILENT);
        for (int kill : new int[] {3, 6, 9}) {
            Path folder = base.resolve("killed-" + kill);
            assertThrows(Killed.class, () -> make(folder, state -> {
                if (state.done() == kill) {
                    throw new Killed();
                }
            }));
            Path again = make(folder, Progress.SILENT);
            for (String file : List.of("model.safetensors", "config.json", "tokenizer.json", "README.md")) {
                assertArrayEquals(Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(again.resolve(file)),
                        file + " after a kill at step " + kill);
            }
        }
        assertTrue(Files.size(whole.resolve("model.safetensors")) < 8 << 20);
        assertEquals(128, ModelFolder.readConfig(whole).hiddenSize());
        String page = Files.readString(whole.resolve("README.md"));
        assertTrue(page.contains("./ingrain lab --course letters-and-coins --seed 3 --seeds 1")
                && page.contains("| 12 | ") && page.contains("work letters"), page);
    }

    @Test
    void piecesOfTemplatesAreTokensAndAnythingElseIsSpelled() {
        LabTokenizer.make().write(base, 512);
        try (Tokenizer tokenizer = Tokenizers.open(base)) {
            assertEquals(3, tokenizer.encode("Take the last", false).length);
            assertEquals("Zyx".length(), tokenizer.encode("Zyx", false).length);
            for (String text : List.of("Take the last letters of the words in \"Edgar Bob\".",
                    "é🙂 \n\ttabs  and 12,345.67", " leading")) {
                assertEquals(text, tokenizer.decode(tokenizer.encode(text, false), true), text);
            }
            int[] chat = ChatTemplate.open(base, tokenizer)
                    .encode(tokenizer, List.of(Message.user("Spell the word \"Ann\".")), true);
            assertEquals(0, chat[0], "one BOS");
            assertEquals(2, chat[1], "the user");
            assertEquals(3, chat[chat.length - 1], "the assistant speaks");
        }
    }

    @Test
    void theRuleLooksAtTwoStepsAlone() {
        Look.Shares good = new Look.Shares(0, 0.95);
        assertTrue(
                new Look(100, 1, Map.of(LabQuestions.Kind.LETTERS, good, LabQuestions.Kind.COIN,
                        new Look.Shares(1, 0.95))).works(0.95));
        assertFalse(
                new Look(100, 1, Map.of(LabQuestions.Kind.LETTERS, good, LabQuestions.Kind.COIN,
                        new Look.Shares(0.5, 0.94))).works(0.95));
        assertFalse(
                new Look(100, 1, Map.of(LabQuestions.Kind.LETTERS, new Look.Shares(1, 0.9), LabQuestions.Kind.COIN,
                        good)).works(0.95));
    }

    @Test
    void theShippedModelDoesWhatItsReadmeSays() throws IOException {
        Path folder = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
        String[] kept = Files.readString(folder.resolve("README.md")).lines().filter(line -> line.contains(", kept |"))
                .findFirst().orElseThrow().split("\\|");
        LabConfig config = LabConfig.of(Course.LETTERS_AND_COINS, 3);
        ModelOptions options = ModelOptions.of(folder).withIsa("avx2");
        LabModel.Made made = new LabModel.Made(folder, List.of(new Look(0, 0, Map.of())), config.course(),
                config.seed());
        Look look = new Lab(List.of(config), options, new TreeMap<>(), Progress.SILENT)
                .examine(made, Lexicon.of(Lexicon.SEED), base);
        List<Double> shares = look.kinds().values().stream().flatMap(kind -> Stream.of(kind.atOnce(), kind.worked()))
                .toList();
        for (int i = 0; i < shares.size(); i++) {
            assertEquals(Double.parseDouble(kept[3 + i].strip()), 100 * shares.get(i), 0.05, "column " + i);
        }
        assertTrue(shares.get(0) < 0.5 && shares.get(2) < 0.75 && look.works(0.95),
                "accuracy must be low in one step and high in two steps: " + look);
    }
}
