package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLibrariesTest {
    private final String root = System.getProperty("ingrain.root");

    @TempDir
    Path folder;

    @AfterEach
    void restore() {
        System.setProperty("ingrain.root", root);
        System.clearProperty("ingrain.home");
        System.clearProperty("org.bytedeco.javacpp.cachedir");
    }

    @Test
    void takesAPathAsItIs() throws IOException {
        Path library = Files.createFile(folder.resolve("mine.so"));
        assertEquals(library, NativeLibraries.find(library.toString()));
    }

    @Test
    void prefersTheInstallationToTheBuildTree() throws IOException {
        assertEquals(Path.of(root, "build/release/lib/libingrain_cpu.so"), NativeLibraries.find("cpu"));
        Path library = Files.createFile(Files.createDirectory(folder.resolve("lib")).resolve("libingrain_cpu.so"));
        System.setProperty("ingrain.home", folder.toString());
        assertEquals(library, NativeLibraries.find("cpu"));
    }

    @Test
    void copiesTheLibraryOutOfTheJarAndMendsAStaleCopy() throws IOException {
        System.clearProperty("ingrain.root");
        System.setProperty("org.bytedeco.javacpp.cachedir", folder.toString());
        Path library = NativeLibraries.find("cpu");
        assertTrue(library.startsWith(folder), library.toString());
        try (Backend backend = Backend.open(library)) {
            assertEquals(1, backend.deviceCount());
        }
        Path copy = Files.move(library, folder.resolve("first"));
        Files.write(library, new byte[(int) Files.size(copy)]);
        Files.setLastModifiedTime(library, Files.getLastModifiedTime(copy));
        assertEquals(-1, Files.mismatch(NativeLibraries.find("cpu"), copy));
    }

    @Test
    void saysWhereItLooked() {
        System.setProperty("ingrain.home", folder.toString());
        String missing = assertThrows(InputException.class, () -> NativeLibraries.find("npu")).getMessage();
        assertTrue(missing.contains("libingrain_npu.so") && missing.contains(folder + "/lib")
                && missing.contains(root + "/build/release/lib"), missing);
        assertNotEquals("", assertThrows(InputException.class, () -> NativeLibraries.find("./none.so")).getMessage());
    }

    @Test
    void shipsNoTestLibrary() {
        assertNull(NativeLibraries.class.getResource("/org/ingrain/native/linux-x86_64/libingrain_wrong.so"));
    }
}
