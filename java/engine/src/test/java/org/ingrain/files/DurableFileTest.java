package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurableFileTest {
    @TempDir
    Path folder;

    private static String refusal(Path target) {
        return assertThrows(InputException.class, () -> DurableFile.write(target, "new")).getMessage();
    }

    private static void run(String... command) throws IOException, InterruptedException {
        assumeTrue(new ProcessBuilder(command).start().waitFor() == 0,
                String.join(" ", command) + " is not allowed here");
    }

    @Test
    void replacesAFileAndMakesFolders() {
        Path target = folder.resolve("a/b/file.txt");
        DurableFile.write(target, "old");
        DurableFile.writePieces(target, channel -> channel.write(ByteBuffer.wrap(new byte[] {'n', 'é' & 127})));
        assertEquals("ni", DurableFile.read(target));
        DurableFile.write(target, "néw\n");
        assertEquals("néw\n", DurableFile.read(target));
        assertEquals(List.of("file.txt"), Trees.names(target.getParent()));
    }

    @Test
    void aFailureLeavesTheOldFileAndNothingElse() throws IOException {
        Path target = Files.writeString(folder.resolve("full.txt"), "old");
        String said = assertThrows(InputException.class, () -> DurableFile.write(target, out -> {
            out.write(new byte[100_000]);
            throw new IOException("No space left on device");
        })).getMessage();
        assertEquals(target + ": cannot be written: No space left on device", said);
        assertThrows(IllegalStateException.class, () -> DurableFile.write(target, out -> {
            throw new IllegalStateException();
        }));
        assertEquals("old", DurableFile.read(target));
        assertEquals(List.of("full.txt"), Trees.names(folder));
    }

    /**
     * During the write the target keeps its old content. The temporary file does not replace a file of the user.
     */
    @Test
    void aUsersNeighboursAreNotTouched() throws IOException {
        Path target = folder.resolve("o.txt");
        Path precious = Files.writeString(folder.resolve("precious"), "mine");
        for (String name : List.of("o.txt.part", "o.txt.tmp", ".unfinished-o.txt")) {
            Files.createSymbolicLink(folder.resolve(name), precious);
        }
        DurableFile.write(target, "old");
        DurableFile.write(target, out -> {
            assertEquals("old", DurableFile.read(target));
            assertEquals(1, Trees.names(folder).stream()
                    .filter(name -> name.matches("\\.ingrain-[0-9a-f]{16}\\.unfinished")).count());
            out.write('n');
        });
        assertEquals("mine", DurableFile.read(precious));
        for (String name : List.of("o.txt.part", "o.txt.tmp", ".unfinished-o.txt")) {
            assertTrue(Files.isSymbolicLink(folder.resolve(name)), name);
        }
        assertEquals(5, Trees.names(folder).size());
    }

    /**
     * The next write into the same folder removes the temporary file of a killed process, but not those of a running
     * process or of another thread.
     */
    @Test
    void whatAKilledProcessLeftIsRemoved() throws Exception {
        Path log = folder.resolveSibling(folder.getFileName() + ".log");
        Process writer = Trees.java(log, Writer.class, folder.resolve("killed"));
        while (!Files.readString(log).contains("written")) {
            assertTrue(writer.isAlive(), () -> DurableFile.read(log));
            Thread.sleep(10);
        }
        DurableFile.write(folder.resolve("one"), outer -> {
            DurableFile.write(folder.resolve("two"), "2");
            outer.write('1');
        });
        assertEquals(4, Trees.names(folder).size(), "the file and the lock of a running process must stay");
        writer.destroyForcibly().waitFor();
        DurableFile.write(folder.resolve("two"), "2");
        assertEquals(List.of("one", "two"), Trees.names(folder));
        assertEquals("1", DurableFile.read(folder.resolve("one")));
        Files.delete(log);
    }

    /** A process that writes a file. */
    static final class Once {
        private Once() {
        }

        public static void main(String[] args) {
            DurableFile.write(Path.of(args[0]), "3");
        }
    }

    /** A write through a link must not release the lock of another write of the same process. */
    @Test
    void aRunningWriteIsKeptIfItsFolderHasTwoNames() throws Exception {
        Path real = Files.createDirectory(folder.resolve("real"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), real);
        DurableFile.write(real.resolve("a"), outer -> {
            DurableFile.write(link.resolve("b"), "2");
            Process other = Trees.java(folder.resolve("log"), Once.class, real.resolve("c"));
            assertEquals(0, other.onExit().join().exitValue(), () -> DurableFile.read(folder.resolve("log")));
            outer.write('1');
        });
        assertEquals(List.of("a", "b", "c"), Trees.names(real));
    }

    @Test
    void aLeftoverThatCannotBeOpenedDoesNotDisturb() throws IOException {
        Files.createSymbolicLink(folder.resolve(".ingrain-0123456789abcdef.lock"), folder.resolve("none"));
        DurableFile.write(folder.resolve("file"), "1");
        assertEquals(List.of(".ingrain-0123456789abcdef.lock", "file"), Trees.names(folder));
    }

    /** A process that stops in the middle of writing a file. */
    static final class Writer {
        private Writer() {
        }

        public static void main(String[] args) {
            DurableFile.write(Path.of(args[0]), out -> {
                out.write('1');
                System.out.println("written");
                System.out.flush();
                LockSupport.park();
            });
        }
    }

    @Test
    void aLinkIsRefusedAndItsTargetKept() throws IOException {
        Path mine = Files.writeString(folder.resolve("mine"), "mine");
        Path link = Files.createSymbolicLink(folder.resolve("link"), mine);
        Path dangling = Files.createSymbolicLink(folder.resolve("dangling"), folder.resolve("none"));
        for (Path each : List.of(link, dangling)) {
            assertEquals(each + ": is a symbolic link, expected a regular file or a new name", refusal(each));
            assertTrue(Files.isSymbolicLink(each));
        }
        assertEquals("mine", DurableFile.read(mine));
        assertFalse(Files.exists(folder.resolve("none")));
    }

    @Test
    void aHardLinkReplacesAFileAndNamesTheFileThatIsAtFault() throws IOException {
        Path source = Files.writeString(folder.resolve("source"), "new");
        Path target = Files.writeString(folder.resolve("target"), "old");
        DurableFile.link(source, target);
        assertTrue(Files.isSameFile(source, target));
        Path absent = folder.resolve("absent");
        assertEquals(absent + ": cannot be read: no such file",
                assertThrows(InputException.class, () -> DurableFile.link(absent, target)).getMessage());
        Path below = source.resolve("below");
        assertTrue(assertThrows(InputException.class, () -> DurableFile.link(target, below)).getMessage()
                .startsWith(below + ": cannot be written: "));
        assertEquals("new", DurableFile.read(target));
    }

    @Test
    void aFolderIsRefused() throws IOException {
        Path target = Files.createDirectory(folder.resolve("there"));
        assertEquals(target + ": is a folder, expected a regular file or a new name", refusal(target));
        assertTrue(Files.isDirectory(target));
    }

    @Test
    void aPipeIsRefused() throws Exception {
        Path pipe = folder.resolve("pipe");
        run("mkfifo", pipe.toString());
        assertEquals(pipe + ": is a device or a pipe, expected a regular file or a new name", refusal(pipe));
        assertTrue(Files.exists(pipe, LinkOption.NOFOLLOW_LINKS) && !Files.isRegularFile(pipe));
    }

    @Test
    void aDeviceIsRefused() throws Exception {
        Path device = folder.resolve("full");
        run("mknod", device.toString(), "c", "1", "7");
        assertEquals(device + ": is a device or a pipe, expected a regular file or a new name", refusal(device));
        assertTrue(Files.exists(device) && !Files.isRegularFile(device));
    }

    @Test
    void anOutputIsRefusedBeforeItIsComputed() throws IOException {
        Path fine = folder.resolve("fine");
        DurableFile.requireOutput(fine);
        Path nowhere = folder.resolve("nowhere/x");
        String said = assertThrows(InputException.class, () -> DurableFile.requireOutput(nowhere)).getMessage();
        assertEquals(nowhere + ": cannot be written: " + nowhere.getParent() + " is not a writable folder",
                said);
        assertThrows(InputException.class, () -> DurableFile.requireOutput(folder));
        assertEquals(List.of(), Trees.names(folder));
    }

    @Test
    void reasonsAreWords() throws IOException {
        Path none = folder.resolve("none");
        assertEquals(none + ": cannot be read: no such file",
                assertThrows(InputException.class, () -> DurableFile.read(none)).getMessage());
        Path latin = Files.write(folder.resolve("latin"), new byte[] {(byte) 0xe9});
        assertEquals(latin + ": cannot be read: not UTF-8",
                assertThrows(InputException.class, () -> DurableFile.read(latin)).getMessage());
        Path below = latin.resolve("x/y");
        assertEquals(below + ": cannot be written: " + latin + " is in the way",
                refusal(below).replace(latin + "/x is", latin + " is"));
    }

    @Test
    void deletesAndAppends() {
        Path log = folder.resolve("log");
        DurableFile.append(log, "a\n");
        DurableFile.append(log, "b\n");
        assertEquals("a\nb\n", DurableFile.read(log));
        DurableFile.delete(log);
        DurableFile.delete(log);
        assertEquals(List.of(), Trees.names(folder));
    }
}
