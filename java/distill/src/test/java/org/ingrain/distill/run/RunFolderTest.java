package org.ingrain.distill.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class RunFolderTest {
    @TempDir
    Path base;

    private static Manifest manifest(double temperature) {
        return Manifest.of(Map.of(), Map.of("sample", new TreeMap<>(Map.of("seed", 7, "temperature", temperature))));
    }

    @Test
    void takesUpItsOwnSettings() {
        Path folder = base.resolve("run");
        RunFolder.open(folder, manifest(0)).close();
        RunFolder.open(folder, manifest(0)).close();
        assertTrue(Files.exists(folder.resolve("run.json")));
    }

    @Test
    void refusesOtherSettingsByNameAndTouchesNothing() throws IOException {
        Path folder = base.resolve("run");
        RunFolder.open(folder, manifest(0.7)).close();
        Map<String, String> before = listing(folder);
        String said = assertThrows(InputException.class, () -> RunFolder.open(folder, manifest(0.9))).getMessage();
        assertEquals(folder + ": this run folder was made with sample.temperature 0.7, now it is 0.9; take the same settings or another"
                + " folder", said);
        assertEquals(before, listing(folder));
    }

    @Test
    void namesSettingsThatAreNewOrGone() {
        Path folder = base.resolve("run");
        RunFolder.open(folder, Manifest.of(Map.of(), Map.of("a", 1))).close();
        String said = assertThrows(InputException.class, () -> RunFolder.open(folder, Manifest.of(Map.of(), Map.of("a", 1, "b", "x"))))
                .getMessage();
        assertTrue(said.contains("made with b none, now it is \"x\""), said);
    }

    @Test
    void refusesAnotherLayoutAndAnotherThing() throws IOException {
        Path folder = base.resolve("run");
        RunFolder.open(folder, manifest(0)).close();
        Path file = folder.resolve("run.json");
        Files.writeString(file, Files.readString(file).replace("\"format\" : 1", "\"format\" : 99"));
        String said = assertThrows(InputException.class, () -> RunFolder.open(folder, manifest(0))).getMessage();
        assertTrue(said.contains("made with format 99"), said);
        Path other = Files.createDirectories(base.resolve("photos"));
        Files.writeString(other.resolve("cat.png"), "meow");
        said = assertThrows(InputException.class, () -> RunFolder.open(other, manifest(0))).getMessage();
        assertTrue(said.contains("not a run folder (it holds cat.png"), said);
        assertEquals(1, listing(other).size());
        said = assertThrows(InputException.class, () -> RunFolder.open(other.resolve("cat.png"), manifest(0))).getMessage();
        assertTrue(said.contains("is a file"), said);
    }

    @Test
    void beginsAgainWhereARunWasKilledBeforeItsManifestStood() throws IOException {
        Path folder = Files.createDirectories(base.resolve("run"));
        Files.writeString(folder.resolve("run.lock"), "");
        Files.writeString(folder.resolve("run.json.tmp"), "{\"form");
        RunFolder.open(folder, manifest(0)).close();
        assertFalse(Files.exists(folder.resolve("run.json.tmp")));
    }

    @Test
    void isHeldByOneAtATime() {
        Path folder = base.resolve("run");
        try (RunFolder held = RunFolder.open(folder, manifest(0))) {
            held.log().say("here");
            String said = assertThrows(InputException.class, () -> RunFolder.open(folder, manifest(0))).getMessage();
            assertEquals(folder + ": this run folder is in use by another process", said);
        }
        RunFolder.open(folder, manifest(0)).close();
    }

    @Test
    void timingsAddUpOverProcesses() {
        Path folder = base.resolve("run");
        for (int i = 0; i < 2; i++) {
            try (RunFolder run = RunFolder.open(folder, manifest(0))) {
                run.log().add("sample", new RunLog.Timing(1.5, 100, 30));
            }
        }
        JsonNode sample = Json.parse(DurableFile.read(folder.resolve("timings.json")), "timings").at("/stages/sample");
        assertEquals(200, sample.path("tokens").asInt());
        assertEquals(60, sample.path("unused").asInt());
        assertTrue(DurableFile.read(folder.resolve("run.log")).contains(" sample: 1.5 s, 100 tokens, 30 tokens of ended texts not kept\n"));
    }

    @Test
    void aFileThatCannotBeWrittenLeavesNothing() throws IOException {
        Path target = base.resolve("full.txt");
        String said = assertThrows(InputException.class, () -> DurableFile.write(target, out -> {
            out.write(new byte[100_000]);
            throw new IOException("No space left on device");
        })).getMessage();
        assertEquals(target + ": cannot be written: No space left on device", said);
        assertTrue(listing(base).isEmpty());
    }

    @Test
    void fingerprintsSeeAChangeAnywhereInASmallModelAndInTheHeadOfALarge() throws IOException {
        Path model = Files.createDirectories(base.resolve("model"));
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
        assertThrows(InputException.class, () -> Digest.model(base.resolve("none")));
    }

    @Test
    void aLargeFileThatHoldsNoWeightsIsReadThrough() throws IOException {
        Path data = base.resolve("data.jsonl");
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

    private static Map<String, String> listing(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.put(file.toString(), Files.readString(file) + Files.getLastModifiedTime(file));
            }
        }
        return all;
    }
}
