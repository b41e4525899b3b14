package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.cli.flags.Words;
import org.ingrain.cli.progress.StageProgress;
import org.ingrain.distill.Seeds;
import org.ingrain.engine.Fingerprint;
import org.ingrain.engine.ModelOptions;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.lab.Course;
import org.ingrain.lab.LabConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "lab",
        description =
        {"Makes the lab model of models/lab again: corpus, tokenizer, training from random weights, the choice of a "
        + "checkpoint.",
    "A killed run goes on where it was when the same command is given again. With --isa auto it computes with AVX2, "
            + "on any machine.",
    "Example: ingrain lab --seed 3 --seeds 5 --output runs/lab"})
final class LabCommand implements Callable<Integer> {
    @Mixin
    private DeviceFlags device;

    @Option(names = "--seed", defaultValue = "1", paramLabel = "S",
            description = "Of the model that is kept (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--seeds", defaultValue = "1", paramLabel = "N",
            description = "Models to train, with seeds from --seed on; the first is kept, "
            + "the others show how it varies (default: ${DEFAULT-VALUE}).")
    private int seeds;

    @Option(names = "--course", defaultValue = "letters-and-coins", paramLabel = "NAME",
            description = "What it is taught: letters-and-coins (models/lab) or sums (default: ${DEFAULT-VALUE}).")
    private String course;

    @Option(names = "--output", required = true, paramLabel = "DIR",
            description = "The run's folder; the model comes into model/ in it.")
    private Path output;

    @Override
    public Integer call() {
        List<LabConfig> configs = Seeds.range(seed, seeds).stream()
                .map(s -> LabConfig.of(Words.choose("--course", course, Course.class), s)).toList();
        if (device.backend().equals("cpu") && device.isa.equals("auto")) {
            device.isa = "avx2";   // which every machine has: the same bytes on each
        }
        ModelOptions options = device.options(output, "f32");
        SortedMap<String, String> provenance;
        try (Backend backend = Backend.open(NativeLibraries.find(options.backend()));
                Context context = backend.context(options.context())) {
            provenance = Fingerprint.of(options, backend, context);
        }
        try (StageProgress progress = new StageProgress(0)) {
            System.out.println(new org.ingrain.lab.Lab(configs, options, provenance, progress).make(output));
        }
        return 0;
    }
}
