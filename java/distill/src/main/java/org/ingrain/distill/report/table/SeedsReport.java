package org.ingrain.distill.report.table;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.ingrain.distill.evaluate.SeedResult;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * The report on several seeds of the same experiment. The report is written to {@code seeds.json} and {@code seeds.md}
 * in the folder that contains the run folders.
 *
 * @param heading     description of the experiment
 * @param seeds       seeds with a result; the accuracies of each row are in the sequence of these seeds
 * @param nothingKept seeds without a result, because their curation kept no example
 */
public record SeedsReport(String heading, List<Long> seeds,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Long> nothingKept, List<SeedResult> rows) {
    /**
     * Combines the reports of several runs.
     *
     * @param seeds   seeds of the reports, in the sequence of {@code reports}
     * @param without seeds without a report
     */
    public static SeedsReport of(List<Long> seeds, List<Report> reports, List<Long> without) {
        return new SeedsReport(reports.getFirst().heading(), seeds, without,
                SeedResult.of(reports.stream().map(Report::arms).toList()));
    }

    public void write(Path folder) {
        DurableFile.write(folder.resolve("seeds.json"), Json.pretty(this));
        DurableFile.write(folder.resolve("seeds.md"), "# " + heading + ", "
                + Figures.count(seeds.size(), "seed", "seeds") + without() + "\n\n" + Tables.seeds(rows).markdown()
                + "\nMean over the seeds and its 95 % interval by Student's t."
                + Tables.aboutVotes(Tables.shares(rows.stream().map(SeedResult::shares))) + "\n");
    }

    /** The table over the seeds as text for a terminal. */
    public String text() {
        return heading + ", seeds " + listed(seeds) + without() + "\n\n" + Tables.seeds(rows).text();
    }

    private String without() {
        return nothingKept.isEmpty() ? "" : "; curation kept nothing with seed " + listed(nothingKept);
    }

    private static String listed(List<Long> seeds) {
        return seeds.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
}
