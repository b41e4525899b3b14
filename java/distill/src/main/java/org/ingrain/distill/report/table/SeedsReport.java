package org.ingrain.distill.report.table;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.SeedResult;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * The report on several seeds of the same experiment. The report is written to {@code seeds.json} and {@code seeds.md}
 * in the folder that contains the run folders.
 *
 * @param heading     description of the experiment
 * @param seeds       seeds with a result; the accuracies of each row are in the order of these seeds
 * @param sets        rows on the questions of each test file, by the file's name; empty if there is at most one test
 *                    file
 * @param nothingKept seeds without a result, because their curation kept no example
 */
public record SeedsReport(String heading, List<Long> seeds,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Long> nothingKept, List<SeedResult> rows,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, List<SeedResult>> sets) {
    /**
     * Combines the reports of several runs.
     *
     * @param seeds   seeds of the reports, in the order of {@code reports}
     * @param without seeds that have no report, because their curation kept no example
     */
    public static SeedsReport of(List<Long> seeds, List<Report> reports, List<Long> without) {
        List<List<ArmResult>> arms = reports.stream().map(Report::arms).toList();
        Map<String, List<SeedResult>> sets = new LinkedHashMap<>();
        ArmResult.bySet(arms.getFirst()).keySet().forEach(set -> sets.put(set,
                SeedResult.of(arms.stream().map(own -> ArmResult.bySet(own).get(set)).toList())));
        return new SeedsReport(reports.getFirst().heading(), seeds, without, SeedResult.of(arms), sets);
    }

    public void write(Path folder) {
        DurableFile.write(folder.resolve("seeds.json"), Json.pretty(this));
        DurableFile.write(folder.resolve("seeds.md"), "# " + heading + ", "
                + Figures.count(seeds.size(), "seed", "seeds") + without() + "\n\n" + Tables.seeds(rows).markdown()
                + each("\nQuestions of `", "`:\n\n", Table::markdown)
                + "\nMean over the seeds and its 95 % interval by Student's t."
                + Tables.aboutVotes(Tables.shares(rows.stream().map(SeedResult::shares))) + "\n");
    }

    /** The table over the seeds as text for a terminal. */
    public String text() {
        return heading + ", seeds " + listed(seeds) + without() + "\n\n" + Tables.seeds(rows).text()
                + each("\n", ":\n", Table::text);
    }

    /** One table for each test file, with the results on the questions of this file. */
    private String each(String before, String after, Function<Table, String> form) {
        return sets.entrySet().stream()
                .map(set -> before + set.getKey() + after + form.apply(Tables.seeds(set.getValue())))
                .collect(Collectors.joining());
    }

    private String without() {
        return nothingKept.isEmpty() ? "" : "; curation kept nothing with seed " + listed(nothingKept);
    }

    private static String listed(List<Long> seeds) {
        return seeds.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
}
