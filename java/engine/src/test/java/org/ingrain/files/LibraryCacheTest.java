package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibraryCacheTest {
    private static final String JAVACPP = "org.bytedeco.javacpp.cachedir";

    private final Properties before = new Properties();

    @TempDir
    private Path home;

    @BeforeEach
    void clear() {
        before.putAll(System.getProperties());
        System.clearProperty("DJL_CACHE_DIR");
        System.clearProperty("ENGINE_CACHE_DIR");
        System.clearProperty(JAVACPP);
    }

    @AfterEach
    void restore() {
        System.setProperties(before);
    }

    /** If names in the temporary directory were predictable, another user could put a library there first. */
    @Test
    void withoutAHomeTheFolderIsPrivate() throws IOException {
        System.setProperty("user.home", home.resolve("none").toString());
        LibraryCache.secure(Map.of());
        Path folder = Path.of(System.getProperty("DJL_CACHE_DIR"));
        assertEquals(folder.toString(), System.getProperty("ENGINE_CACHE_DIR"));
        assertEquals(folder, Path.of(System.getProperty(JAVACPP)).getParent());
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
        assertTrue(Files.isDirectory(Path.of(System.getProperty(JAVACPP))));
        LibraryCache.secure(Map.of());
        assertEquals(folder.toString(), System.getProperty("DJL_CACHE_DIR"), "one folder a process");
    }

    @Test
    void settingsOfTheUserStay() {
        System.setProperty("user.home", home.resolve("none").toString());
        System.setProperty(JAVACPP, "/own");
        LibraryCache.secure(Map.of("DJL_CACHE_DIR", "/own"));
        assertNull(System.getProperty("DJL_CACHE_DIR"));
        assertEquals("/own", System.getProperty(JAVACPP));
    }

    @Test
    void aHomeIsUsed() {
        System.setProperty("user.home", home.toString());
        LibraryCache.secure(Map.of());
        assertNull(System.getProperty("DJL_CACHE_DIR"));
        assertNull(System.getProperty(JAVACPP));
    }
}
