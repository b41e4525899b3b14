package org.ingrain.train.run;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.files.DurableFile;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.train.pass.TrainedState;

/**
 * The folder that contains the checkpoints of a run. Each checkpoint is a folder step-N with state.json, state.bin
 * (values, first and second moments) and any files that the caller adds. Checkpoints are written atomically.
 */
public final class Checkpoints {
    private static final Pattern NAME = Pattern.compile("step-(\\d{1,9})");
    private static final String STATE = "state.json";
    private static final String TENSORS = "state.bin";

    private final Path folder;
    private final TrainedState trained;
    private final DurableFolder.Body extra;

    /** @param extra writes further files into each checkpoint */
    public Checkpoints(Path folder, TrainedState trained, DurableFolder.Body extra) {
        this.folder = folder;
        this.trained = trained;
        this.extra = extra;
    }

    public void write(TrainingState state) {
        DurableFolder.write(path(state.step()), target -> {
            StateFile.write(target.resolve(TENSORS), trained);
            extra.writeTo(target);
            DurableFile.write(target.resolve(STATE), Json.line(state) + "\n");
        });
    }

    /**
     * The content of state.json in the latest checkpoint; empty if there is no checkpoint. {@link #load} loads the
     * values and moments.
     */
    public Optional<TrainingState> latest() {
        return steps().stream().max(Integer::compare).map(this::state);
    }

    private TrainingState state(int step) {
        Path path = path(step).resolve(STATE);
        TrainingState state = Json.parse(DurableFile.read(path), TrainingState.class, path.toString());
        if (state.step() != step) {
            throw new InputException(path + ": step is " + state.step() + ", expected " + step);
        }
        return state;
    }

    /**
     * Sets the values and moments to those in the checkpoint of a step. Throws an InputException if state.bin cannot be
     * read or does not have the expected size.
     */
    public void load(int step) {
        StateFile.read(path(step).resolve(TENSORS), trained);
    }

    /** Removes all checkpoints except the latest {@code keep} checkpoints and the checkpoint of step {@code best}. */
    public void prune(int keep, int best) {
        List<Integer> steps = steps();
        for (int step : steps.subList(0, Math.max(0, steps.size() - keep))) {
            if (step != best) {
                DurableFolder.remove(path(step));
            }
        }
    }

    private List<Integer> steps() {
        return DurableFolder.list(folder).stream().map(path -> NAME.matcher(path.getFileName().toString()))
                .filter(Matcher::matches)
                .map(name -> Integer.parseInt(name.group(1))).sorted().toList();
    }

    private Path path(int step) {
        return folder.resolve("step-" + step);
    }
}
