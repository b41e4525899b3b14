package org.ingrain.distill;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Digest;
import org.ingrain.distill.run.Json;
import org.ingrain.distill.run.JsonLines;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.train.Tuner;

/**
 * Trains nothing, but takes steps, each of them durable, and leaves a file that is a function of the rows.
 *
 * @param tick called before each step; may throw
 */
record FakeTuner(Runnable tick) implements Tuner {
    private static final int STEPS = 4;

    private record Step(int step, double loss) {
    }

    private record Check(int step, @JsonProperty("validation_loss") double validationLoss) {
    }

    @Override
    public Tuned tune(Job job, Progress progress) {
        Path adapter = job.folder().resolve("adapter/adapter.json");
        Path checkpoint = job.folder().resolve("checkpoint.json");
        int rows = JsonLines.read(job.train(), Ledger.TrainingRow.class).size();
        if (!Files.exists(adapter)) {
            int step = Files.exists(checkpoint) ? Json.parse(AtomicFile.read(checkpoint), "checkpoint").path("step").asInt() : 0;
            while (step < STEPS) {
                tick.run();
                step++;
                AtomicFile.write(checkpoint, Json.line(Map.of("step", step)));
                progress.at(new Progress.State(job.stage(), step, STEPS, "steps", 0));
            }
            JsonLines.write(job.folder().resolve("metrics.jsonl"), List.of(new Step(1, 2.5), new Step(STEPS, 0.5),
                    new Check(STEPS, 0.75)));
            AtomicFile.write(adapter, Json.line(Map.of("trainedOn", Digest.file(job.train()))));
        }
        AtomicFile.delete(checkpoint);
        return new Tuned("adapter", rows, STEPS, 2.5, 0.5, null);
    }

    @Override
    public boolean fits(Ledger.TrainingRow row) {
        return true;
    }
}
