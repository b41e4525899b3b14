package org.ingrain.lab;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import org.ingrain.checkpoint.ConfigWriter;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.RopeConfig;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.tensor.DType;
import org.ingrain.tokenizer.SpecialTokens;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Schedule;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainingRun;
import tools.jackson.databind.JsonNode;

/**
 * Trains a lab model in a work folder. {@link #make} writes a tokenizer and a corpus. Then it trains a model from
 * random weights until the model answers enough development questions right with the methods
 * ({@link LabConfig#chosenAt}). An interrupted training can be resumed and gives the same result.
 *
 * @param options    device options; the model path in these options is ignored
 * @param provenance properties that the training depends on; they are stored in the training folder
 */
public record LabModel(LabConfig config, ModelOptions options, SortedMap<String, String> provenance,
        Progress progress) {
    private static final int CONTEXT = 512;
    private static final int LAYERS = 4;
    private static final int HIDDEN = 128;
    private static final int INTERMEDIATE = 352;
    private static final int HEADS = 4;
    static final GeneratorConfig BATCH = GeneratorConfig.of(CONTEXT, 64, 1024).withCacheTokens(32 * CONTEXT)
            .withPrefixCache(false);

    /**
     * A trained model.
     *
     * @param model folder of the model
     * @param looks all evaluations on development questions; the last one evaluates the trained model
     */
    public record Made(Path model, List<Look> looks, Course course, long seed) {
    }

    /** Starts or resumes the training. */
    public Made make(Path work) {
        Path blank = work.resolve("blank");
        Path corpus = work.resolve("corpus.jsonl");
        Lexicon lexicon = Lexicon.of(Lexicon.SEED);
        if (!Files.exists(blank.resolve("config.json"))) {
            writeBlank(blank);
        }
        if (!Files.exists(corpus)) {
            new Corpus(lexicon, config.course(), config.seed()).write(corpus, config.rows());
        }
        try (RunFolder run = RunFolder.open(work.resolve("looks"), Manifest.of(List.of(), config));
                Engine engine = Engine.open(options.withModel(blank).withRandomWeights(0))) {
            DataConfig data = DataConfig.of(corpus, null, CONTEXT);
            TrainingData rows = TrainingDataReader.read(data, engine.tokenizer(), engine.template(),
                    config.seed());
            TrainConfig steps = new TrainConfig(0, config.steps(), config.batchSize(), 1, config.seed(), 0,
                    config.checkEvery(), 2, false);
            TrainingRun training = new TrainingRun(work.resolve("training"), rows, optimizer(), steps, provenance);
            try (Trainer trainer = engine.trainer(training)) {
                EngineAnswerer answerer = new EngineAnswerer(engine, engine.generator(BATCH));
                Looker looker = new Looker(run, new Exam(run, answerer, lexicon.dev(), "dev", config.questions()));
                Path folder = trainer.train(looker).result();
                looker.enough(config.steps());   // the trainer does not call enough() after the last step
                return new Made(folder, looker.looks, config.course(), config.seed());
            }
        }
    }

    private OptimizerConfig optimizer() {
        return new OptimizerConfig(config.learningRate(), 0.9, 0.95, 1e-8, 0.05, 1, Schedule.COSINE, 60, 0.05);
    }

    /** Writes a model folder without weights. */
    private static void writeBlank(Path folder) {
        LabTokenizer tokenizer = LabTokenizer.make();
        tokenizer.write(folder, CONTEXT);
        DurableFile.write(folder.resolve("generation_config.json"),
                "{\n  \"bos_token_id\": 0,\n  \"eos_token_id\": 1\n}\n");
        Blueprint llama = new Blueprint(HIDDEN, INTERMEDIATE, LAYERS, new AttentionConfig(HEADS, HEADS, HIDDEN / HEADS),
                tokenizer.vocabulary().size(), CONTEXT, 1e-5f, RopeConfig.of(10_000), true, DType.BF16);
        ConfigWriter.write(folder.resolve("config.json"), llama, SpecialTokens.read(folder));
    }

    /**
     * Evaluates the model at fixed intervals and ends the training as soon as {@link Look#works} returns true.
     */
    private final class Looker implements TrainProgress {
        private final RunFolder run;
        private final Exam exam;
        private final Path file;
        private final List<Look> looks = new ArrayList<>();

        Looker(RunFolder run, Exam exam) {
            this.run = run;
            this.exam = exam;
            file = run.file("looks.jsonl");
            if (Files.exists(file)) {
                looks.addAll(JsonLines.read(file, Look.class));
            }
        }

        @Override
        public void trained(Step step) {
            progress.at(new Progress.State("pretrain seed " + config.seed(), step.step(), step.of(), "steps",
                    step.tokensPerSecond()));
        }

        @Override
        public boolean enough(int step) {
            if (step == 0 || step % config.checkEvery() != 0 && step < config.steps()) {
                return false;
            }
            if (!looks.isEmpty() && looks.getLast().step() < step && looks.getLast().works(config.chosenAt())) {
                return true;
            }
            Look look = looks.stream().filter(seen -> seen.step() == step).findFirst().orElse(null);
            if (look == null) {
                look = look(step);
                looks.add(look);
                JsonLines.write(file, looks);
            }
            return look.works(config.chosenAt());
        }

        private Look look(int step) {
            return exam.look(config.course(), step, tokens(step));
        }

        private long tokens(int step) {
            long tokens = 0;
            for (JsonNode line : JsonLines.read(run.path().resolveSibling("training").resolve("metrics.jsonl"),
                    JsonNode.class)) {
                tokens += line.path("step").asInt() <= step ? line.path("tokens").asLong() : 0;
            }
            return tokens;
        }
    }
}
