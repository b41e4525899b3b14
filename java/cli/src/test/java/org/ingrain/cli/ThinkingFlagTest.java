package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests how the three states of {@code --enable-thinking} (true, false, not set) affect the chat template and the
 * fingerprint of a run.
 */
class ThinkingFlagTest {
    @TempDir
    private Path temp;

    @Test
    void theTemplateSeesTheSwitchOnOffOrNotAtAll() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Files.writeString(folder.resolve("chat_template.jinja"),
                "{% if enable_thinking is defined %}{{ 'on' if enable_thinking else 'none' }}{% endif %}");
        assertEquals(1, promptTokens(folder));
        assertEquals(1 + "on".length(), promptTokens(folder, "--enable-thinking"));
        assertEquals(1 + "none".length(), promptTokens(folder, "--no-enable-thinking"));
        assertNull(fingerprint(ModelOptions.of(folder)));
        assertEquals("true", fingerprint(ModelOptions.of(folder).withEnableThinking(true)));
        assertEquals("false", fingerprint(ModelOptions.of(folder).withEnableThinking(false).withThreads(1)));
    }

    @Test
    void aSwitchWithoutEffectIsRefused() throws IOException {
        Path folder = TinyModelFolder.write(temp.resolve("model"));
        Run without = Run.of("generate", "--model", folder, "--prompt", "ab", "--no-enable-thinking");
        assertEquals(2, without.status());
        assertTrue(without.complaint().startsWith("ingrain: --enable-thinking: false, but the chat template of "),
                without.complaint());
        Run raw = Run.of("generate", "--model", folder, "--prompt", "ab", "--raw", "--enable-thinking");
        assertEquals(2, raw.status());
        assertTrue(raw.complaint().contains("--enable-thinking: given with --raw"), raw.complaint());
    }

    private static int promptTokens(Path folder, String... flags) {
        Object[] words = {"generate", "--model", folder, "--prompt", "ab", "--json", "--prompt-log-probabilities",
            "--max-tokens", 1};
        Object[] all = new Object[words.length + flags.length];
        System.arraycopy(words, 0, all, 0, words.length);
        System.arraycopy(flags, 0, all, words.length, flags.length);
        Run run = Run.of(all);
        assertEquals(0, run.status(), run.err());
        return Json.parse(run.out().strip(), "output").get("prompt_log_probabilities").size();
    }

    private static String fingerprint(ModelOptions options) {
        try (Engine engine = Engine.open(options)) {
            return engine.fingerprint().get("enable thinking");
        }
    }
}
