package org.ingrain.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.progress.ProgressDisplay;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "merge", description = "Merges an adapter into its base model and writes a Hugging Face folder.",
        customSynopsis = "ingrain merge [OPTIONS] --model DIR --adapter DIR --output DIR",
        footer = "  ingrain merge --model models/lab --adapter runs/tuned/adapter --output merged")
final class MergeCommand implements Callable<Integer> {
    @Under(Heading.MODEL)
    @Option(names = "--model", required = true, paramLabel = "DIR",
            description = "Hugging Face folder of the base model.")
    private Path model;

    @Under(Heading.MODEL)
    @Option(names = "--adapter", required = true, paramLabel = "DIR", description = "PEFT LoRA adapter.")
    private Path adapter;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", required = true, paramLabel = "DIR", description = "New folder; must not exist.")
    private Path output;

    @Override
    public Integer call() {
        try (ModelFolder base = ModelFolder.open(model)) {
            ProgressDisplay[] progress = new ProgressDisplay[1];
            new org.ingrain.checkpoint.Merge(base, PeftAdapter.read(adapter, base.config()))
                    .write(output, (done, of) -> {
                if (progress[0] == null) {
                    progress[0] = new ProgressDisplay("merge", "tensors", 0, of);
                }
                progress[0].at(done);
            });
            if (progress[0] != null) {
                progress[0].close();
            }
        }
        System.out.println(output);
        return 0;
    }
}
