package org.ingrain.distill;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
import tools.jackson.databind.JsonNode;

/** The content of {@code run.json}. */
final class Settings {
    private Settings() {
    }

    private record Notes(String model, String teacher, List<String> data) {
    }

    private record Data(TaskConfig task, String data, List<String> testData, int limit, int testSize, int generate,
            String names, long splitSeed, String questionField, String answerField) {
    }

    private record Distill(String version, Data data, Method method, Method direct, Object sample, Object curation,
            JsonNode train, Object evaluate, TeachConfig teach, Map<String, String> model, Map<String, String> engine,
            Map<String, String> teacher, String imported) {
    }

    private record Evaluate(String version, Data data, Method method, Object evaluate, Map<String, String> model,
                            Map<String, String> adapter, Map<String, String> engine) {
    }

    static Manifest of(DistillConfig config, Provenance provenance) {
        return Manifest.of(notes(config.data(), config.imported(), provenance),
                new Distill(provenance.version(), data(config.data()), config.method(), Methods.direct(),
                        config.sample(), config.curation(), Json.tree(config.train()), config.evaluate(),
                        config.teach(), Digest.model(provenance.model()), new TreeMap<>(provenance.engine()),
                        provenance.teacher() == null ? null : provenance.teacher().identity(),
                        config.imported() == null ? null : Digest.content(config.imported())));
    }

    static Manifest of(EvaluationRun.Config config, Provenance provenance) {
        return Manifest.of(notes(config.data(), null, provenance),
                new Evaluate(provenance.version(), data(config.data()), config.method(), config.evaluate(),
                        Digest.model(provenance.model()), config.adapter() == null
                        ? null : Digest.model(config.adapter()), new TreeMap<>(provenance.engine())));
    }

    private static Notes notes(QuestionConfig data, Path imported, Provenance provenance) {
        return new Notes(name(provenance.model()), provenance.teacher() == null ? null : provenance.teacher().name(),
                Stream.of(Stream.of(data.data()), data.testData().stream(), Stream.of(data.names(), imported))
                        .flatMap(files -> files).filter(Objects::nonNull).map(Settings::name).toList());
    }

    /** Returns the data settings with the hash of each file's content in place of the path of the file. */
    private static Data data(QuestionConfig data) {
        return new Data(data.task(), digest(data.data()),
                data.testData().stream().map(Settings::digest).toList(), data.limit(), data.testSize(),
                data.generate(), digest(data.names()), data.splitSeed(), data.questionField(), data.answerField());
    }

    private static String digest(Path file) {
        return file == null ? null : Digest.file(file);
    }

    private static String name(Path path) {
        return path.toAbsolutePath().normalize().getFileName().toString();
    }
}
