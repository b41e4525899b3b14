package org.ingrain.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.cli.progress.ProgressDisplay;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "merge", description = {"Adds an adapter into its base model and writes a Hugging Face folder.",
    "Example: ingrain merge --model DIR --adapter runs/tuned/adapter --output merged"})
final class MergeCommand implements Callable<Integer> {
    @Option(names = "--model", required = true, paramLabel = "DIR",
            description = "Hugging Face folder of the base model.")
    private Path model;

    @Option(names = "--adapter", required = true, paramLabel = "DIR", description = "PEFT LoRA adapter.")
    private Path adapter;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "The new folder; must not exist.")
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
