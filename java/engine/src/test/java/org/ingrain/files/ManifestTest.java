package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ManifestTest {
    private record Settings(long seed, double temperature, List<String> names, Map<String, String> model) {
    }

    private static Manifest of(Object notes, long seed, double temperature, String... names) {
        return Manifest.of(notes, new Settings(seed, temperature, List.of(names),
                new TreeMap<>(Map.of("config.json", "abc"))));
    }

    private static String refusal(Manifest now, Manifest made) {
        return assertThrows(InputException.class, () -> now.requireSame(Path.of("run"), made)).getMessage();
    }

    @Test
    void isReadAsItWasWritten(@TempDir Path folder) {
        Manifest written = of(Map.of("model", "m"), 1L << 40, 0, "a", "b");
        DurableFile.write(folder.resolve("run.json"), Json.pretty(written));
        Manifest read = Manifest.read(folder.resolve("run.json"));
        assertDoesNotThrow(() -> written.requireSame(folder, read));
        assertEquals("m", read.notes().path("model").asString());
    }

    @Test
    void notesAreNotCompared() {
        assertDoesNotThrow(() -> of(Map.of("model", "here"), 1, 0.5)
                .requireSame(Path.of("run"), of(List.of(), 1, 0.5)));
    }

    @Test
    void namesTheFirstDifference() {
        assertEquals("run: this run folder was made with seed 1, now it is 2; use the same settings or another folder",
                refusal(of(List.of(), 2, 0.7), of(List.of(), 1, 0.9)));
        assertTrue(refusal(of(List.of(), 1, 0, "a"), of(List.of(), 1, 0, "b"))
                .contains("made with names [\"b\"], now it is [\"a\"];"));
    }

    @Test
    void namesSettingsThatAreNewOrGone() {
        Manifest one = Manifest.of(Map.of(), Map.of("a", 1));
        Manifest two = Manifest.of(Map.of(), new TreeMap<>(Map.of("a", 1, "b", "x")));
        assertTrue(refusal(two, one).contains("made with b none, now it is \"x\""));
        assertTrue(refusal(one, two).contains("made with b \"x\", now it is none"));
    }

    @Test
    void aLongValueIsCut() {
        assertTrue(refusal(of(List.of(), 1, 0, "x".repeat(500)), of(List.of(), 1, 0)).length() < 250);
    }
}
