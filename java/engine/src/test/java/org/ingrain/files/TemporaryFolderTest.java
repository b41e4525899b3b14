package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TemporaryFolderTest {
    @Test
    void goesWithAllThatIsInItAndFollowsNoLink(@TempDir Path mine) throws IOException {
        Files.writeString(mine.resolve("note"), "mine");
        Path path;
        try (TemporaryFolder folder = TemporaryFolder.make("ingrain-test-")) {
            path = folder.path();
            Files.writeString(Files.createDirectory(path.resolve("below")).resolve("file"), "x");
            Files.createSymbolicLink(path.resolve("link"), mine);
        }
        assertFalse(Files.exists(path));
        assertTrue(Files.exists(mine.resolve("note")));
    }
}
