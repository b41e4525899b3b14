package org.ingrain.distill.report;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.ingrain.distill.evaluate.SeedResult;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Json;

/**
 * The same experiment with several seeds: {@code seeds.json} and {@code seeds.md}, beside the runs' folders.
 *
 * @param heading what was run
 * @param seeds   in the order of the rows' accuracies
 */
public record SeedsReport(String heading, List<Long> seeds, List<SeedResult> rows) {
    /** Of the runs' reports, one a seed. */
    public static SeedsReport of(List<Long> seeds, List<Report> reports) {
        return new SeedsReport(reports.getFirst().heading(), seeds, SeedResult.of(reports.stream().map(Report::arms).toList()));
    }

    public void write(Path folder) {
        AtomicFile.write(folder.resolve("seeds.json"), Json.pretty(this));
        AtomicFile.write(folder.resolve("seeds.md"), "# " + heading + ", " + seeds.size() + " seeds\n\n" + Tables.seeds(rows).markdown()
                + "\nMean over the seeds and its 95 % interval by Student's t."
                + Tables.aboutVotes(Tables.shares(rows.stream().map(SeedResult::shares))) + "\n");
    }

    /** The table for a terminal. */
    public String text() {
        return heading + ", seeds " + seeds.stream().map(String::valueOf).collect(Collectors.joining(", ")) + "\n\n" + Tables.seeds(rows).text();
    }
}
