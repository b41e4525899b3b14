package org.ingrain.distill.export;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.files.DurableFile;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;

/**
 * Writes the training rows of a run in formats of other trainers. The result depends only on the files of the run.
 *
 * @param run run folder whose curation has finished
 */
public record RunExport(Path run) {
    private static final String TRAIN = "train.jsonl";
    private static final String VALIDATION = "validation.jsonl";

    public RunExport {
        if (Files.exists(run.resolve("seeds.json"))) {
            throw new InputException(run + ": contains the runs of several seeds, expected one of these runs, such as "
                    + DurableFolder.list(run).stream().filter(Files::isDirectory).findFirst().orElse(run));
        }
        for (String file : List.of("run.json", "ledger.jsonl", TRAIN, VALIDATION)) {
            if (!Files.isRegularFile(run.resolve(file))) {
                throw new InputException(run + ": no " + file + ", expected a run folder whose curation kept examples");
            }
        }
    }

    /**
     * Writes a file of JSON lines, or a folder ({@link ExportFormat#DATASET}).
     *
     * @param validation whether to write the validation rows in place of the training rows; a folder contains both
     * @param target     the file, or a new folder
     * @return number of rows in the file, or of training rows in the folder
     */
    public int write(ExportFormat format, boolean validation, Path target) {
        List<?> rows = rows(format, validation);
        if (rows.isEmpty()) {
            throw InputException.field("format", "no row for this format in " + run + ", expected at least one");
        }
        if (format == ExportFormat.DATASET) {
            writeDataset(target);
        } else {
            JsonLines.write(target, rows);
        }
        return rows.size();
    }

    private List<?> rows(ExportFormat format, boolean validation) {
        Path file = run.resolve(validation ? VALIDATION : TRAIN);
        List<TrainingRow> rows = JsonLines.read(file, TrainingRow.class);
        return switch (format) {
            case TRL, DATASET -> rows;
            case TRL_MESSAGES -> rows.stream().map(ExportRows.Messages::of).toList();
            case ALPACA -> rows.stream().map(ExportRows.Alpaca::of).toList();
            case SHAREGPT -> rows.stream().map(ExportRows.ShareGpt::of).toList();
            case DPO -> new Preferences(ledger(), curation()).of(file, rows, validation);
        };
    }

    /** Writes a folder with a dataset card. The library {@code datasets} of Hugging Face can load the folder. */
    private void writeDataset(Path target) {
        List<?> train = rows(ExportFormat.DATASET, false);
        List<?> validation = rows(ExportFormat.DATASET, true);
        String card = new DatasetCard(manifest(), ledger().summary(), train.size(), validation.size()).text();
        DurableFolder.write(target, folder -> {
            JsonLines.write(folder.resolve("data").resolve(TRAIN), train);
            if (!validation.isEmpty()) {
                JsonLines.write(folder.resolve("data").resolve(VALIDATION), validation);
            }
            DurableFile.write(folder.resolve("README.md"), card);
        });
    }

    private Ledger ledger() {
        return new Ledger(run.resolve("ledger.jsonl"));
    }

    private Manifest manifest() {
        return Manifest.read(run.resolve("run.json"));
    }

    private CurationConfig curation() {
        Path file = run.resolve("run.json");
        return Json.parse(Json.line(manifest().settings().path("curation")), CurationConfig.class, file + ", curation");
    }
}
