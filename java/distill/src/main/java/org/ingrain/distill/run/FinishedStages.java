package org.ingrain.distill.run;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.Require;
import tools.jackson.databind.JsonNode;

/**
 * The file {@code stages.json} of a run folder. It lists the finished stages, each with its files and everything that
 * these files depend on. Another run can take over the files of a stage if the stage has equal inputs in both runs.
 */
public final class FinishedStages {
    private static final String NAME = "stages.json";

    private final Path file;
    private final SortedMap<String, Finished> stages;

    /**
     * A finished stage.
     *
     * @param inputs settings that the stage depends on, and digests of the files that it has read
     * @param files  names of the files that the stage has written, relative to the run folder, sorted
     */
    public record Finished(JsonNode inputs, List<String> files) {
        public Finished {
            Require.present("inputs", inputs);
            Require.present("files", files);
        }
    }

    private record Content(SortedMap<String, Finished> stages) {
        private Content {
            Require.present("stages", stages);
        }
    }

    private FinishedStages(Path file, SortedMap<String, Finished> stages) {
        this.file = file;
        this.stages = stages;
    }

    /** Reads the stages of a run folder. If stages.json does not exist, no stage is finished. */
    public static FinishedStages open(Path folder) {
        Path file = folder.resolve(NAME);
        return new FinishedStages(file, Files.exists(file)
                ? new TreeMap<>(Json.parse(DurableFile.read(file), Content.class, file.toString()).stages())
                : new TreeMap<>());
    }

    /** The record of a stage; null if the stage is not finished. */
    public Finished get(String stage) {
        return stages.get(stage);
    }

    /** Records a finished stage. */
    public void put(String stage, JsonNode inputs, List<String> files) {
        Finished finished = new Finished(inputs, files);
        if (!stages.containsKey(stage) || !Json.line(finished).equals(Json.line(stages.get(stage)))) {
            stages.put(stage, finished);
            DurableFile.write(file, Json.pretty(new Content(stages)));
        }
    }
}
