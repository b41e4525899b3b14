package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurableFolderTest {
    @TempDir
    Path folder;

    private static void two(Path inner) throws IOException {
        DurableFile.write(inner.resolve("a"), "1");
        DurableFile.write(inner.resolve("below/b"), "2");
    }

    @Test
    void isThereWhole() throws IOException {
        Path target = folder.resolve("above/target");
        DurableFolder.write(target, inner -> {
            two(inner);
            assertFalse(Files.exists(target));
        });
        assertEquals("2", DurableFile.read(target.resolve("below/b")));
        assertEquals(List.of("target"), Trees.names(target.getParent()));
        DurableFolder.remove(target);
        assertEquals(List.of(), Trees.names(target.getParent()));
    }

    @Test
    void takesThePlaceOfAnEmptyFolder() throws IOException {
        Path target = Files.createDirectory(folder.resolve("target"));
        DurableFolder.write(target, DurableFolderTest::two);
        assertEquals(List.of("a", "below"), Trees.names(target));
    }

    @Test
    void aFailureLeavesNothing() {
        String said = assertThrows(InputException.class, () -> DurableFolder.write(folder.resolve("full"), inner -> {
            two(inner);
            throw new IOException("No space left on device");
        })).getMessage();
        assertEquals(folder.resolve("full") + ": cannot be written: No space left on device", said);
        assertEquals(List.of(), Trees.names(folder));
    }

    @Test
    void whatIsThereIsRefusedUntouched() throws IOException {
        Path full = Files.createDirectory(folder.resolve("full"));
        Files.writeString(full.resolve("note"), "mine");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), empty);
        Path dangling = Files.createSymbolicLink(folder.resolve("dangling"), folder.resolve("none"));
        for (Path target : List.of(full, full.resolve("note"), link, dangling)) {
            String said = assertThrows(InputException.class, () -> DurableFolder.write(target, DurableFolderTest::two))
                    .getMessage();
            assertEquals(target + ": is already there, expected a new folder", said);
        }
        assertEquals("mine", DurableFile.read(full.resolve("note")));
        assertTrue(Files.isSymbolicLink(link) && Files.isSymbolicLink(dangling));
        assertEquals(List.of(), Trees.names(empty));
    }

    @Test
    void aUsersNeighboursAreNotTouched() throws IOException {
        for (String name : List.of("x.part", ".unfinished-x", ".ingrain-mine.unfinished")) {
            Files.writeString(Files.createDirectory(folder.resolve(name)).resolve("note"), "mine");
        }
        DurableFolder.write(folder.resolve("x"), DurableFolderTest::two);
        for (String name : List.of("x.part", ".unfinished-x", ".ingrain-mine.unfinished")) {
            assertEquals("mine", DurableFile.read(folder.resolve(name).resolve("note")));
        }
    }

    /**
     * If two writers write to the same target, neither of them changes the files of the other. The writer that finishes
     * first succeeds; the other one fails.
     */
    @Test
    void twoWritersAtOnce() {
        Path target = folder.resolve("target");
        String said = assertThrows(InputException.class, () -> DurableFolder.write(target, inner -> {
            two(inner);
            DurableFolder.write(target, other -> DurableFile.write(other.resolve("won"), ""));
            assertTrue(Files.exists(inner.resolve("below/b")));
        })).getMessage();
        assertTrue(said.startsWith(target + ": cannot be written: "), said);
        assertEquals(List.of("won"), Trees.names(target));
        assertEquals(List.of("target"), Trees.names(folder));
    }

    /**
     * The next write in the same parent folder removes the unfinished folder of a killed process, but not that of a
     * running process.
     */
    @Test
    void whatAKilledProcessLeftIsRemoved() throws Exception {
        Path log = folder.resolveSibling(folder.getFileName() + ".log");
        Process writer = Trees.java(log, Writer.class, folder.resolve("killed"));
        while (!Files.exists(folder) || Trees.names(folder).size() < 2 || !Files.readString(log).contains("written")) {
            assertTrue(writer.isAlive(), () -> DurableFile.read(log));
            Thread.sleep(10);
        }
        DurableFolder.write(folder.resolve("one"), DurableFolderTest::two);
        assertEquals(3, Trees.names(folder).size(), "the folder of a running process must stay");
        writer.destroyForcibly().waitFor();
        DurableFolder.write(folder.resolve("two"), DurableFolderTest::two);
        assertEquals(List.of("one", "two"), Trees.names(folder));
        Files.delete(log);
    }

    /** A process that stops in the middle of writing a folder. */
    static final class Writer {
        private Writer() {
        }

        public static void main(String[] args) {
            DurableFolder.write(Path.of(args[0]), inner -> {
                two(inner);
                System.out.println("written");
                System.out.flush();
                LockSupport.park();
            });
        }
    }

    @Test
    void theWorkingFolderIsNoTarget() {
        assertEquals(".: is the working folder, expected a new folder",
                assertThrows(InputException.class, () -> DurableFolder.requireFree(Path.of("."))).getMessage());
    }
}
