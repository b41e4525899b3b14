package org.ingrain.distill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.ingrain.distill.run.FinishedStages;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.task.Example;
import org.ingrain.files.DurableFile;
import org.ingrain.files.FileDigests;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Another run. This run reuses the other run's finished stages whose inputs are equal. The other run may be unfinished.
 * Its files are not changed.
 *
 * @param folder run folder of the other run
 */
record OtherRun(Path folder, FinishedStages stages, FileDigests digests) {
    private static final String POOL = "data/pool.jsonl";
    private static final String UNFINISHED = "not finished there";
    /** For the name of each input that is a digest: the words that describe a difference of this input. */
    private static final Map<String, String> DIGESTS = Map.of("data.pool", "other questions", "data.test",
            "other held-out questions", "samples", "other samples", "selections", "other selections", "verdicts",
            "other verdicts", "rows", "other training rows", "validation", "other validation rows", "from",
            "other weights at the start", "teacher", "another teacher", "adapter", "another student");

    /** @throws InputException if the folder is not a run folder */
    static OtherRun open(Path folder) {
        if (!Files.exists(folder.resolve("run.json"))) {
            throw InputException.field("fromRun", folder + ": no run.json there, expected a run folder");
        }
        return new OtherRun(folder, FinishedStages.open(folder), FileDigests.open(folder));
    }

    /**
     * The first input of a stage that differs in the other run, such as {@code made with train.lora.rank 16, now it is
     * 4}. Empty if the files of the stage can be reused.
     */
    Optional<String> difference(String stage, JsonNode inputs) {
        FinishedStages.Finished other = stages.get(stage);
        return other == null ? Optional.of(UNFINISHED)
                : Manifest.difference(inputs, other.inputs()).map(OtherRun::words);
    }

    /**
     * Returns the first input in {@code drawn} that differs in the other run. The result is empty if the texts of the
     * other run are also valid for this run.
     *
     * @param drawn the inputs on which sampled texts depend ({@link StageInputs#drawn})
     */
    Optional<String> textsDifference(String stage, JsonNode drawn) {
        FinishedStages.Finished other = stages.get(stage);
        return other == null ? Optional.of(UNFINISHED)
                : Manifest.difference(drawn, alike(drawn, other.inputs())).map(OtherRun::words);
    }

    /** Describes a difference in words. A digest is replaced by a description of what differs. */
    private static String words(String difference) {
        String name = difference.substring(0, difference.indexOf(' '));
        return "made with " + DIGESTS.entrySet().stream()
                .filter(digest -> name.equals(digest.getKey()) || name.startsWith(digest.getKey() + "."))
                .map(Map.Entry::getValue).findFirst().orElse(difference);
    }

    /**
     * Puts the files of a finished stage into the run folder, as hard links where possible. A file that the run folder
     * already contains stays unchanged.
     *
     * @throws InputException if a file was changed after the other run made it
     */
    void takeOver(String stage, RunFolder run) {
        List<Path> files = stages.get(stage).files().stream().map(folder::resolve).toList();
        files.forEach(digests::require);
        for (Path file : files) {
            Path own = run.file(folder.relativize(file).toString());
            if (!Files.exists(own)) {
                DurableFile.link(file, own);
            }
        }
    }

    /**
     * Returns the part of {@code inputs} that can be compared with {@code drawn}. It contains no settings of the
     * curation and the evaluation. In {@code data} and {@code sample}, it contains only the settings that {@code drawn}
     * also contains.
     */
    private static JsonNode alike(JsonNode drawn, JsonNode inputs) {
        if (!(drawn instanceof ObjectNode names) || !(inputs instanceof ObjectNode values)) {
            return inputs;
        }
        ObjectNode alike = values.objectNode();
        for (String name : values.propertyNames()) {
            if (name.equals("data") || name.equals("sample")) {
                ObjectNode part = alike.putObject(name);
                names.get(name).propertyNames().forEach(own -> part.set(own, values.path(name).path(own)));
            } else if (!name.equals("curation") && !name.equals("evaluate")) {
                alike.set(name, values.get(name));
            }
        }
        return alike;
    }

    /**
     * Begins the sampling of this run with the other run's texts for the questions that both runs have. The sampling
     * then draws only the missing texts.
     *
     * @param asked the questions of the sampling in all presentation orders
     * @return number of reused texts; 0 if the sampling had already begun
     */
    int giveTexts(String samples, List<Example> asked, RunFolder run) {
        Path file = folder.resolve(samples);
        digests.require(file);
        Map<String, String> questions = new HashMap<>();
        JsonLines.forEach(folder.resolve(POOL), JsonNode.class,
                question -> questions.put(question.path("id").asString(""), Json.line(question)));
        Map<String, String> own = new HashMap<>();
        asked.stream().filter(Example::isAsGiven).forEach(question -> own.put(question.id(), Json.line(question)));
        Set<String> common = new HashSet<>();
        for (Example example : asked) {
            String given = example.isAsGiven() ? example.id() : example.given();
            if (own.get(given).equals(questions.get(given))) {
                common.add(example.id());
            }
        }
        return Sampling.begin(run.file(samples), file, common);
    }
}
