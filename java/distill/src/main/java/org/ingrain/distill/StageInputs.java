package org.ingrain.distill;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Predicate;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The inputs of the stages of a run. The files of a stage depend only on its inputs. Inputs are settings, under their
 * names in {@code run.json}, and digests of the files that the stage reads. If the inputs of a stage are equal in two
 * runs, the stage writes equal files in both, even if other settings differ.
 */
final class StageInputs {
    private final Predicate<Student> imports;
    private final JsonNode settings;
    private final String pool;
    private final String test;

    StageInputs(Manifest manifest, Dataset data, Predicate<Student> imports) {
        this.imports = imports;
        settings = Json.parse(Json.line(manifest.settings()), "settings");
        pool = digest(data.pool());
        test = digest(data.test());
    }

    /** Digest of questions in the format of data/pool.jsonl. */
    private static String digest(List<Example> questions) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            for (Example question : questions) {
                JsonLines.write(out, question);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return HexFormat.of().formatHex(Digest.sha256().digest(out.toByteArray()));
    }

    /**
     * The inputs of a sampling stage: the inputs of each text ({@link #drawn}), the questions, and the settings that
     * determine the number of texts.
     */
    JsonNode sample(Student student, ModelState teacher) {
        ObjectNode inputs = drawn(student, teacher);
        ((ObjectNode) inputs.get("data")).put("pool", pool);
        inputs.set("sample", settings.get("sample"));
        JsonNode curation = settings.get("curation");
        ObjectNode stop = pick(curation, "orders", "earlyStop");
        if (curation.path("earlyStop").asBoolean()) {
            stop.setAll(pick(curation, "rule", "minVotes", "minFraction", "perStage"));
        }
        if (student.role() == Role.DISTILLED_SYSTEM_1) {
            stop.setAll(pick(curation, "perStage"));
        }
        inputs.set("curation", stop);
        return control(inputs, student);
    }

    /** Adds the number of samples for the control {@code distilled-system-1}, for which there is a separate setting. */
    private ObjectNode control(ObjectNode inputs, Student student) {
        return student.role() == Role.DISTILLED_SYSTEM_1
                ? inputs.set("evaluate", pick(settings.get("evaluate"), "controlSamples")) : inputs;
    }

    /**
     * The inputs that a sampled text depends on, except its question and its path, which consists of sample indices. If
     * these inputs are equal in two runs, then texts with equal questions and equal paths are equal.
     */
    ObjectNode drawn(Student student, ModelState teacher) {
        ObjectNode inputs = common();
        inputs.set("method", Json.tree(student.method()));
        inputs.set("sample", pick(settings.get("sample"), "params"));
        if (imports.test(student)) {
            inputs.set("imported", settings.get("imported"));
        }
        return with(inputs, "teacher", teacher);
    }

    JsonNode select(Student student, ModelState teacher, String samples) {
        ObjectNode inputs = drawn(student, teacher);
        ((ObjectNode) inputs.get("data")).put("pool", pool);
        JsonNode curation = settings.get("curation");
        inputs.set("curation", curation.has("judge") ? pick(curation, "judge", "target") : pick(curation, "selector"));
        return inputs.put("samples", samples);
    }

    JsonNode verify(Student student, String samples) {
        return judged(student, samples).set("verifier", Json.tree(student.curation().verifier()));
    }

    /** Inputs of the stages that read samples and need no weights: verification and curation. */
    private ObjectNode judged(Student student, String samples) {
        ObjectNode inputs = common();
        inputs.remove("engine");
        ((ObjectNode) inputs.get("data")).put("pool", pool);
        inputs.set("method", Json.tree(student.method()));
        return inputs.put("samples", samples);
    }

    /**
     * @param selections digest of the selections; null if the rule does not ask the model
     * @param verdicts   digest of the verdicts; null if there is no verifier
     */
    JsonNode curate(Student student, String samples, String selections, String verdicts) {
        ObjectNode inputs = judged(student, samples);
        inputs.set("sample", pick(settings.get("sample"), "samples"));
        inputs.set("curation", Json.tree(student.curation()));
        inputs.set("teach", pick(settings.get("teach"), "stages"));
        control(inputs, student);
        if (verdicts != null) {
            inputs.put("verdicts", verdicts);
        }
        return selections == null ? inputs : inputs.put("selections", selections);
    }

    /** @param from the adapter that the training starts from, or the base model */
    JsonNode train(String rows, String validation, ModelState from) {
        ObjectNode inputs = common();
        inputs.remove("data");
        inputs.set("train", settings.get("train"));
        inputs.put("rows", rows).put("validation", validation);
        return with(inputs, "from", from);
    }

    JsonNode evaluate(Stage.Evaluate stage, ModelState weights) {
        ObjectNode inputs = common();
        ((ObjectNode) inputs.get("data")).put("test", test);
        inputs.set("method", Json.tree(stage.method()));
        inputs.set("evaluate", pick(settings.get("evaluate"), "params", "samples", "orders", "votes"));
        return with(inputs, "adapter", weights);
    }

    /**
     * Inputs that most stages have: program, model, engine and task. If a stage does not depend on one of these inputs,
     * the stage removes this input.
     */
    private ObjectNode common() {
        ObjectNode inputs = pick(settings, "version", "model", "engine");
        return inputs.set("data", pick(settings.get("data"), "task"));
    }

    private ObjectNode with(ObjectNode inputs, String name, ModelState weights) {
        return switch (weights) {
            case ModelState.Base() -> inputs;
            case ModelState.Adapter(Path folder) -> inputs.set(name, Json.tree(Digest.model(folder)));
            case ModelState.Model(Path folder) -> inputs.set(name, Json.tree(Digest.model(folder)));
            // A teacher that is not the base model generates its texts without the model of the students.
            case ModelState.Teacher() -> inputs.remove(List.of("model", "engine")).set(name, settings.get("teacher"));
        };
    }

    private static ObjectNode pick(JsonNode from, String... names) {
        ObjectNode picked = JsonNodeFactory.instance.objectNode();
        for (String name : names) {
            if (from.has(name)) {
                picked.set(name, from.get(name));
            }
        }
        return picked;
    }
}
