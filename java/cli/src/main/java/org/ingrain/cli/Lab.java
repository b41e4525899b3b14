package org.ingrain.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.ingrain.checkpoint.ModelOptions;
import org.ingrain.lab.LabConfig;
import org.ingrain.lab.LabModel;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "lab", description = {"Makes the lab model of models/lab again: corpus, tokenizer, training from random weights, the choice of a checkpoint.",
    "A killed run goes on where it was when the same command is given again.",
    "Example: ingrain lab --output runs/lab --seeds 3"})
final class Lab implements Callable<Integer> {
    @Mixin
    private DeviceFlags device;

    @Option(names = "--seed", defaultValue = "1", paramLabel = "S", description = "Of the model that is kept (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--seeds", defaultValue = "1", paramLabel = "N", description = "Models to train, with seeds from --seed on; the first is kept, "
            + "the others show how it varies (default: ${DEFAULT-VALUE}).")
    private int seeds;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "The run's folder; the model comes into model/ in it.")
    private Path output;

    @Override
    public Integer call() {
        ModelOptions options = device.options(output, "f32");
        List<LabModel.Made> made = new ArrayList<>();
        try (StageProgress progress = new StageProgress()) {
            for (long s = seed; s < seed + seeds; s++) {
                made.add(new LabModel(LabConfig.of(s), options, Provenances.engine(options), progress).make(output.resolve("seed-" + s)));
            }
        }
        System.out.println(made.getFirst().model());
        return 0;
    }
}
