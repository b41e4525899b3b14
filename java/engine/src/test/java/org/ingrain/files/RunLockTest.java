package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunLockTest {
    @TempDir
    Path base;

    private Path folder;

    @BeforeEach
    void folder() {
        folder = base.resolve("run");
    }

    private static Manifest manifest(double temperature) {
        return Manifest.of(Map.of(), Map.of("sample", new TreeMap<>(Map.of("seed", 7, "temperature", temperature))));
    }

    private static String refusal(Path folder, Manifest manifest) {
        return assertThrows(InputException.class, () -> RunLock.take(folder, manifest)).getMessage();
    }

    @Test
    void takesItsOwnSettingsAgain() throws IOException {
        RunLock.take(folder, manifest(0)).close();
        Map<String, String> before = Trees.files(folder);
        RunLock.take(folder, manifest(0)).close();
        assertEquals(before.keySet(), Trees.files(folder).keySet());
        assertEquals("", Files.readString(folder.resolve("run.lock")), "nobody holds it");
    }

    @Test
    void refusesOtherSettingsByNameAndTouchesNothing() throws IOException {
        RunLock.take(folder, manifest(0.7)).close();
        Map<String, String> before = Trees.files(folder);
        assertEquals(
                folder
                + ": this run folder was made with sample.temperature 0.7, now it is 0.9; use the same settings or "
                + "another"
                + " folder", refusal(folder, manifest(0.9)));
        assertEquals(before, Trees.files(folder));
    }

    @Test
    void refusesAnotherFormatAndTouchesNothing() throws IOException {
        RunLock.take(folder, manifest(0)).close();
        Path file = folder.resolve("run.json");
        String now = Files.readString(file);
        for (String older : new String[] {now.replace("\"format\" : 2", "\"format\" : 1"),
                "{\"format\": 1, \"provenance\": {}, \"packing\": 0}"}) {
            Files.writeString(file, older);
            Map<String, String> before = Trees.files(folder);
            assertEquals(
                    file + ": format is 1, expected 2: the run folder was made by another version; use another folder",
                    refusal(folder, manifest(0)));
            assertEquals(before, Trees.files(folder));
        }
        Files.writeString(file, now.replace("\"format\" : 2", "\"format\" : 99"));
        assertTrue(refusal(folder, manifest(0)).contains("format is 99"));
        Files.writeString(file, "{}");
        assertTrue(refusal(folder, manifest(0)).contains("format is none"));
    }

    @Test
    void refusesAnotherThing() throws IOException {
        Path other = Files.createDirectories(base.resolve("photos"));
        Files.writeString(other.resolve("cat.png"), "meow");
        assertEquals(other + ": not a run folder (it holds cat.png and no run.json), expected an empty or a new folder",
                refusal(other, manifest(0)));
        assertEquals(1, Trees.files(other).size());
        assertTrue(refusal(other.resolve("cat.png"), manifest(0)).contains("is a file"));
    }

    /** Removes temporary files that a killed process may have left in the folder or below it. */
    @Test
    void removesWhatAKilledProcessLeft() throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("run.lock"), "1234\n");
        Files.writeString(folder.resolve(".ingrain-0123456789abcdef.unfinished"), "{\"form");
        RunLock.take(folder, manifest(0)).close();
        Path below = Files.createDirectories(folder.resolve("checkpoints"));
        Files.writeString(Files.createDirectory(below.resolve(".ingrain-0123456789abcdef.unfinished"))
                .resolve("state.bin"), "half");
        Files.writeString(below.resolve(".ingrain-0123456789abcdef.lock"), "");
        Files.writeString(below.resolve(".ingrain-00000000000000ff.lock"), "77\n");
        Files.writeString(below.resolve(".ingrain-users.lock"), "mine");
        RunLock.take(folder, manifest(0)).close();
        assertEquals(List.of(".ingrain-users.lock"), Trees.names(below));
        assertEquals(List.of("checkpoints", "run.json", "run.lock"), Trees.names(folder));
    }

    @Test
    void isHeldByOneAtATime() {
        try (RunLock held = RunLock.take(folder, manifest(0))) {
            assertEquals(folder + ": this run folder is in use by process " + ProcessHandle.current().pid(),
                    refusal(folder, manifest(0)));
        }
        RunLock.take(folder, manifest(0)).close();
    }

    /** A refused attempt of the same process must not release the lock. */
    @Test
    void aRefusedAttemptKeepsTheLock() throws Exception {
        Path log = base.resolve("log");
        try (RunLock held = RunLock.take(folder, manifest(0))) {
            refusal(folder, manifest(0));
            Process other = Trees.java(log, Holder.class, folder);
            assertEquals(1, other.waitFor(), () -> DurableFile.read(log));
        }
        assertTrue(DurableFile.read(log).contains("in use by process " + ProcessHandle.current().pid()));
    }

    @Test
    void namesTheProcessThatHoldsIt() throws Exception {
        Path log = base.resolve("log");
        Process holder = Trees.java(log, Holder.class, folder);
        while (!Files.exists(log) || !Files.readString(log).contains("held")) {
            assertTrue(holder.isAlive(), () -> DurableFile.read(log));
            Thread.sleep(10);
        }
        assertEquals(folder + ": this run folder is in use by process " + holder.pid(), refusal(folder, manifest(0)));
        holder.destroyForcibly().waitFor();
        RunLock.take(folder, manifest(0)).close();
    }

    @Test
    void aLinkInPlaceOfTheLockIsNotFollowed() throws IOException {
        Files.createDirectories(folder);
        Path mine = Files.writeString(base.resolve("mine"), "mine");
        Files.createSymbolicLink(folder.resolve("run.lock"), mine);
        assertTrue(refusal(folder, manifest(0)).startsWith(folder + ": cannot be written: "));
        assertEquals("mine", Files.readString(mine));
        assertFalse(Files.exists(folder.resolve("run.json")));
    }

    /** A process that holds a folder until it is killed. */
    static final class Holder {
        private Holder() {
        }

        public static void main(String[] args) {
            try (RunLock held = RunLock.take(Path.of(args[0]), manifest(0))) {
                System.out.println("held");
                System.out.flush();
                LockSupport.park();
            }
        }
    }
}
