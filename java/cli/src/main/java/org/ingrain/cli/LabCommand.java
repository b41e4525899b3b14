package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
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

@Command(name = "lab", description = {
    "Trains the lab model of models/lab from scratch.",
    "Steps: corpus, tokenizer, training from random weights, selection of a checkpoint. --isa auto means AVX2, "
    + "so that every machine computes the same bytes. The same command resumes a run that was interrupted."},
        customSynopsis = "ingrain lab [OPTIONS] --output DIR",
        footer = "  ingrain lab --seed 3 --seeds 5 --output runs/lab")
final class LabCommand implements Callable<Integer> {
    @Mixin
    private DeviceFlags device;

    @Under(Heading.TRAINING)
    @Option(names = "--seed", defaultValue = "1", paramLabel = "S",
            description = "Seed of the model that is written (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Under(Heading.TRAINING)
    @Option(names = "--seeds", defaultValue = "1", paramLabel = "N",
            description = "Models to train, with seeds from --seed upwards. Only the first is written; the others show "
            + "how results vary (default: ${DEFAULT-VALUE}).")
    private int seeds;

    @Under(Heading.TRAINING)
    @Option(names = "--course", defaultValue = "letters-and-coins", paramLabel = "NAME",
            description = "Tasks of the corpus: letters-and-coins (models/lab) or sums (default: ${DEFAULT-VALUE}).")
    private String course;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", required = true, paramLabel = "DIR",
            description = "Run folder; the model is written to its subfolder model.")
    private Path output;

    @Override
    public Integer call() {
        List<LabConfig> configs = Seeds.range(seed, seeds).stream()
                .map(s -> LabConfig.of(Words.choose("--course", course, Course.class), s)).toList();
        if (device.backend().equals("cpu") && device.isa.equals("auto")) {
            device.isa = "avx2";   // every supported machine has AVX2, so all machines compute equal bytes
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
