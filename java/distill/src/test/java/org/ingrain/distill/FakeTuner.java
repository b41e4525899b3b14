package org.ingrain.distill;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.run.Progress;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;

/**
 * A tuner that trains nothing. It counts steps, can be resumed after each step, and writes a file that depends only on
 * the rows.
 *
 * @param tick called before each step; may throw
 */
record FakeTuner(Runnable tick) implements Tuner {
    private static final int STEPS = 4;

    private record Step(int step, double loss, @JsonProperty("learning_rate") double learningRate,
            @JsonProperty("grad_norm") double gradNorm) {
    }

    private record Check(int step, @JsonProperty("validation_loss") double validationLoss) {
    }

    @Override
    public Tuned tune(Job job, Progress progress) {
        Path adapter = job.folder().resolve("adapter/adapter.json");
        Path checkpoint = job.folder().resolve("checkpoint.json");
        int rows = JsonLines.read(job.train(), TrainingRow.class).size();
        if (!Files.exists(adapter)) {
            int step = Files.exists(checkpoint) ? Json.parse(DurableFile.read(checkpoint), "checkpoint").path("step")
                    .asInt() : 0;
            while (step < STEPS) {
                tick.run();
                step++;
                DurableFile.write(checkpoint, Json.line(Map.of("step", step)));
                progress.at(new Progress.State(job.stage(), step, STEPS, "steps", 0));
            }
            JsonLines.write(job.folder().resolve("metrics.jsonl"), List.of(new Step(1, 2.5, 1e-3, 1),
                    new Step(STEPS, 0.5, 1e-3, 1), new Check(STEPS, 0.75)));
            DurableFile.write(adapter, Json.line(Map.of("trainedOn", Digest.file(job.train()))));
        }
        DurableFile.delete(checkpoint);
        return new Tuned("adapter", rows, STEPS, 2.5, 0.5, null);
    }

    @Override
    public int tokens(String text) {
        return text.length() / 4 + 1;
    }

    @Override
    public int tokens(TrainingRow row) {
        return 1;
    }

    @Override
    public int longest() {
        return 1;
    }
}
