package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Damaged shared libraries are refused before the dynamic loader maps them, because the loader could crash the process.
 */
class ElfFileTest {
    @TempDir
    Path folder;

    private InputException refusal(byte[] content) throws IOException {
        Path file = Files.write(folder.resolve("kernel.so"), content);
        return assertThrows(InputException.class, () -> Backend.open(file));
    }

    @Test
    void aTruncatedLibraryIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(NativeLibraries.find("wrong"));
        for (int parts = 1; parts < 32; parts++) {
            byte[] part = Arrays.copyOf(whole, (int) (whole.length * (long) parts / 32));
            String message = refusal(part).getMessage();
            assertTrue(message.startsWith(folder.resolve("kernel.so") + ": cannot be loaded as a shared library: ")
                    && message.endsWith("(truncated?)"), message);
        }
        refusal(Arrays.copyOf(whole, whole.length - 1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "no library", "\177ELF"})
    void anotherFileIsRefused(String text) throws IOException {
        String message = refusal((text + (text.isEmpty() ? "" : " ".repeat(100))).getBytes()).getMessage();
        assertTrue(message.contains(text.isEmpty() ? "has 0 bytes" : "not a 64-bit little-endian ELF file"), message);
    }

    @Test
    void sizesThatOverflowAreRefused() throws IOException {
        byte[] library = Files.readAllBytes(NativeLibraries.find("wrong"));
        // The offsets of the program header table and of the section header table.
        for (int at = 32; at < 48; at += Long.BYTES) {
            byte[] damaged = library.clone();
            Arrays.fill(damaged, at, at + Long.BYTES, (byte) 0x7f);
            assertTrue(refusal(damaged).getMessage().endsWith("but the file has " + library.length + " (truncated?)"));
        }
        assertEquals(library.length, Files.size(NativeLibraries.find("wrong")));
        ElfFile.requireWhole(NativeLibraries.find("wrong"), folder);
    }
}
