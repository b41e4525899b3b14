package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputFileTest {
    @TempDir
    private Path temp;

    private Path pipe() throws Exception {
        Path pipe = temp.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        return pipe;
    }

    @Test
    void aPipeIsReadOnceIntoAFile() throws Exception {
        Path pipe = pipe();
        Thread writer = Thread.ofVirtual().start(() -> DurableFile.append(pipe, "rows"));
        Path file = InputFile.rereadable(pipe);
        writer.join();
        assertNotEquals(pipe, file);
        assertEquals("rows", DurableFile.read(file));
        assertEquals("rows", DurableFile.read(file));
        assertEquals(file, InputFile.rereadable(file));
    }

    @Test
    void aNameOfAFileInAFolder() {
        assertEquals(temp.resolve("a b.json"), InputFile.inFolder(temp, "a b.json", "where"));
        for (String name : List.of("", ".", "..", "../a", "a/b", "/a", "a\0b", "\ud800")) {
            InputException refused = assertThrows(InputException.class, () -> InputFile.inFolder(temp, name, "where"));
            assertTrue(refused.getMessage().startsWith("where: '"), refused.getMessage());
            assertTrue(refused.getMessage().endsWith("', expected the name of a file in " + temp),
                    refused.getMessage());
        }
    }

    @Test
    void anEndlessPipeIsRefused() {
        assertEquals("pipe: has more than 5 bytes, expected at most half of Java's heap from a pipe",
                assertThrows(InputException.class, () -> InputFile.copy(Path.of("pipe"),
                        new ByteArrayInputStream(new byte[6]), 5)).getMessage());
    }

    @Test
    void otherPathsStayAsTheyAre() {
        assertEquals(temp, InputFile.rereadable(temp));
        assertEquals(temp.resolve("none"), InputFile.rereadable(temp.resolve("none")));
        assertNull(InputFile.rereadable(null));
    }

    /** A pipe is refused, because reading it would wait for a writer. */
    @Test
    void aPipeIsNoConfiguration() throws Exception {
        Path pipe = pipe();
        String said = pipe + ": is a device or a pipe, expected a regular file";
        assertEquals(said, assertThrows(InputException.class, () -> JsonFields.read(pipe)).getMessage());
        assertEquals(said, assertThrows(InputException.class, () -> DurableFile.read(pipe)).getMessage());
        assertTrue(assertThrows(InputException.class, () -> DurableFile.read(temp)).getMessage().contains("a folder"));
    }

    @Test
    void anInputIsNoOutput() throws IOException {
        Path file = Files.writeString(temp.resolve("a.txt"), "x");
        Path link = Files.createLink(temp.resolve("b.txt"), file);
        for (Path input : new Path[] {file, link, temp}) {
            assertEquals(file + ": is also an input, expected another file", assertThrows(InputException.class,
                    () -> DurableFile.requireOutput(file, null, input)).getMessage());
        }
        DurableFile.requireOutput(temp.resolve("new.txt"), null, file, temp, temp.resolve("none"));
    }
}
