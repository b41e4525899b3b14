package org.ingrain.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.cli.flags.Words;
import org.ingrain.distill.export.RunExport;
import org.ingrain.distill.export.ExportFormat;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "export", description = {"Writes the training rows of a run for other trainers.",
    "trl: prompt and completion as messages, which is also the format of the run's own train.jsonl. dpo: the kept "
            + "answer and the answer with the second most votes, one pair for each question that has both. dataset: "
            + "a folder with the rows and a card for the Hugging Face hub."},
        customSynopsis = "ingrain export [OPTIONS] RUN --format NAME --output PATH",
        footer = {
    "  ingrain export runs/letters --format dpo --output pairs.jsonl",
    "  ingrain export runs/letters --format dataset --output letters"})
final class ExportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "RUN", description = "Run folder of distill.")
    private Path run;

    @Under(Heading.OUTPUT)
    @Option(names = "--format", required = true, paramLabel = "NAME",
            description = "trl, trl-messages, alpaca, sharegpt, dpo or dataset.")
    private String format;

    @Under(Heading.OUTPUT)
    @Option(names = "--output", required = true, paramLabel = "PATH",
            description = "File of JSON lines; for dataset, a new folder.")
    private Path output;

    @Under(Heading.DATA)
    @Option(names = "--validation", description = "Write the validation rows in place of the training rows (a dataset "
            + "has both).")
    private boolean validation;

    @Override
    public Integer call() {
        ExportFormat chosen = Words.choose("--format", format, ExportFormat.class);
        if (validation && chosen == ExportFormat.DATASET) {
            throw new InputException("--validation: given with dataset, which has both kinds of rows, expected none");
        }
        int rows = new RunExport(run).write(chosen, validation, output);
        System.err.println(rows + (chosen == ExportFormat.DPO ? " pairs" : " rows"));
        System.out.println(output);
        return 0;
    }
}
