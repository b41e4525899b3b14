package org.ingrain.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.distill.report.page.ComparisonPage;
import org.ingrain.distill.report.table.Comparison;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "compare", description = {"Shows finished runs of distill side by side.",
    "Accuracy of all arms with 95 %% intervals, paired tests of the students on the same held-out questions, time, "
            + "generated tokens, and the settings that differ. A folder of several seeds counts as one run with means. "
            + "No model is loaded."},
        customSynopsis = "ingrain compare [OPTIONS] RUN RUN...",
        footer = {
    "  ingrain compare runs/letters runs/letters-high-rate",
    "  ingrain compare runs/a runs/b runs/c --page runs/comparison.html"})
final class CompareCommand implements Callable<Integer> {
    @Parameters(paramLabel = "RUN", arity = "2..*",
            description = "Run folders, or folders of the runs of several seeds.")
    private List<Path> runs;

    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print the comparison as JSON.")
    private boolean json;

    @Under(Heading.OUTPUT)
    @Option(names = "--page", paramLabel = "FILE", description = "Also write the comparison as a page (HTML).")
    private Path page;

    @Override
    public Integer call() {
        if (page != null) {
            DurableFile.requireOutput(page, runs.toArray(Path[]::new));
        }
        Comparison comparison = Comparison.of(runs);
        if (page != null) {
            DurableFile.write(page, new ComparisonPage(comparison).text());
        }
        System.out.print(json ? Json.pretty(comparison) : comparison.text());
        return 0;
    }
}
