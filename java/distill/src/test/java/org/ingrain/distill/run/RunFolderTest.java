package org.ingrain.distill.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
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
        assertTrue(DurableFile.read(folder.resolve("run.log"))
                .contains(" sample: 1.5 s, 100 tokens, 30 tokens of finished texts not kept\n"));
    }
}
