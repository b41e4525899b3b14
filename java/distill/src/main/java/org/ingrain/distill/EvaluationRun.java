package org.ingrain.distill;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.Task;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.RunLock;
import org.ingrain.tensor.InputException;

/** Evaluates one method on one model, with or without an adapter. Each evaluation has its own run folder. */
public record EvaluationRun(Config config, Provenance provenance, Answerer answerer, Progress progress) {
    /**
     * Settings of an evaluation.
     *
     * @param data    the questions; the run asks all of them, and each must have a gold answer
     * @param adapter folder of the adapter, or null for the base model
     */
    public record Config(QuestionConfig data, Method method, EvaluateConfig evaluate, Path adapter) {
        public Config {
            if (!data.testData().isEmpty() || data.testSize() != 0) {
                throw InputException.field(!data.testData().isEmpty() ? "testData" : "testSize",
                        "expected none, because an evaluation asks all questions of data");
            }
        }
    }

    /**
     * Throws the errors that {@link #run} would throw before it asks the first question. Call this method before you
     * load a large model.
     */
    public static void check(Config config, Provenance provenance, Path folder) {
        check(config, Dataset.loadTest(config.data()));
        RunLock.check(folder, Settings.of(config, provenance));
    }

    private static void check(Config config, List<Example> test) {
        Task task = config.data().makeTask();
        EvaluateConfig evaluate = config.evaluate();
        config.method().plan(task, new SampleConfig(evaluate.samples(), evaluate.params()), "evaluate",
                new ModelState.Base());
        new Evaluation(evaluate, task, test).check(config.method());
    }

    /** Starts or resumes the evaluation in the run folder and writes {@code result.json} there. */
    public ArmResult run(Path folder) {
        List<Example> test = Dataset.loadTest(config.data());
        check(config, test);
        try (RunFolder run = RunFolder.open(folder, Settings.of(config, provenance))) {
            ModelState weights = config.adapter() == null
                    ? new ModelState.Base() : new ModelState.Adapter(config.adapter());
            Arm arm = Arm.single(config.method().name(), config.method().title(), config.method(), weights);
            Evaluation evaluation = new Evaluation(config.evaluate(), config.data().makeTask(), test);
            ArmResult result = evaluation.measure(arm, run.path(), answerer,
                    new Stopwatch("evaluate", "answers", run.log(), progress), run.digests());
            DurableFile.write(run.file("result.json"), Json.pretty(result));
            return result;
        }
    }
}
