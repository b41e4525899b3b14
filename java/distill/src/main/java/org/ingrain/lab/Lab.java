package org.ingrain.lab;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.DurableFile;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.Manifest;

/**
 * Trains lab models with several seeds, evaluates them on held-out words, and writes the first model with its README.
 *
 * @param configs    settings of each model; the first model is written to the output
 * @param options    device options
 * @param provenance properties that the training depends on; they are stored in the training folders
 */
public record Lab(List<LabConfig> configs, ModelOptions options, SortedMap<String, String> provenance,
        Progress progress) {
    private static final int POOL = 4000;

    /**
     * Starts or resumes the training and the evaluation of all models. Writes the first model to the folder
     * {@code model} in {@code output}. Writes pool questions and test questions to the folder {@code questions} in
     * {@code output}. Returns the folder of the first model.
     */
    public Path make(Path output) {
        List<LabModel.Made> made = new ArrayList<>();
        List<Look> test = new ArrayList<>();
        Lexicon lexicon = Lexicon.of(Lexicon.SEED);
        for (LabConfig config : configs) {
            Path work = output.resolve("seed-" + config.seed());
            made.add(new LabModel(config, options, provenance, progress).make(work));
            test.add(examine(made.getLast(), lexicon, work.resolve("test")));
        }
        int[] sizes = {lexicon.train().size(), lexicon.pool().size(), lexicon.dev().size(), lexicon.test().size()};
        Path target = output.resolve("model");
        copy(made.getFirst().model(), target);
        LabQuestions.write(output.resolve("questions"), POOL, configs.getFirst().test());
        DurableFile.write(target.resolve("README.md"), new LabReadme(configs.getFirst(), made, test, sizes).text());
        return target;
    }

    /**
     * Evaluates a model on words that are not in its corpus. The evaluation uses the weights in the dtypes in which the
     * model's folder stores them.
     */
    Look examine(LabModel.Made made, Lexicon lexicon, Path folder) {
        ModelOptions own = options.withModel(made.model()).withDtype("auto");
        try (RunFolder run = RunFolder.open(folder, Manifest.of(List.of(), provenance));
                Engine engine = Engine.open(own)) {
            EngineAnswerer answerer = new EngineAnswerer(engine, engine.generator(LabModel.BATCH));
            Look last = made.looks().getLast();
            return new Exam(run, answerer, lexicon.test(), "test", configs.getFirst().test())
                    .look(made.course(), last.step(), last.tokens());
        }
    }

    private static void copy(Path from, Path to) {
        for (Path file : DurableFolder.list(from)) {
            DurableFile.write(to.resolve(file.getFileName()), out -> Files.copy(file, out));
        }
    }
}
