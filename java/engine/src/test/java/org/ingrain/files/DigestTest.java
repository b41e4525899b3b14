package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DigestTest {
    @TempDir
    Path folder;

    @Test
    void fingerprintsSeeAChangeAnywhereInASmallModelAndInTheHeadOfALarge() throws IOException {
        Path model = Files.createDirectories(folder.resolve("model"));
        Files.writeString(model.resolve("config.json"), "{}");
        byte[] weights = new byte[9 << 20];
        Files.write(model.resolve("model.safetensors"), weights);
        Map<String, String> before = Digest.model(model);
        weights[weights.length - 1] = 1;
        Files.write(model.resolve("model.safetensors"), weights);
        Map<String, String> after = Digest.model(model);
        assertEquals(before.get("config.json"), after.get("config.json"));
        assertFalse(before.equals(after), "the last byte");
        weights[weights.length - 1] = 0;
        weights[500_000] = 1;
        Files.write(model.resolve("model.safetensors"), weights);
        assertFalse(before.equals(Digest.model(model)), "the first megabyte");
        assertThrows(InputException.class, () -> Digest.model(folder.resolve("none")));
    }

    @Test
    void aLargeFileThatHoldsNoWeightsIsReadThrough() throws IOException {
        Path data = folder.resolve("data.jsonl");
        byte[] bytes = new byte[(16 << 20) + 3];
        Files.write(data, bytes);
        String before = Digest.file(data);
        for (int at : new int[] {5_000_000, (16 << 20) - 1, (16 << 20) + 2}) {
            bytes[at] = 1;
            Files.write(data, bytes);
            assertFalse(before.equals(Digest.file(data)), "byte " + at);
            bytes[at] = 0;
        }
        Files.write(data, bytes);
        assertEquals(before, Digest.file(data));
    }

    @Test
    void seedsDifferByEachPart() {
        assertEquals(Digest.seed(1, "a", "b"), Digest.seed(1, "a", "b"));
        assertNotEquals(Digest.seed(1, "a", "b"), Digest.seed(2, "a", "b"));
        assertNotEquals(Digest.seed(1, "a", "b"), Digest.seed(1, "ab", ""), "parts are digested separately");
        assertTrue(Digest.seed(1, "a") >= 0);
    }
}
