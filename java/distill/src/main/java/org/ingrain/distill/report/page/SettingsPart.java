package org.ingrain.distill.report.page;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.report.table.Figures;
import org.ingrain.distill.report.table.Prompts;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.SettingsList;
import org.ingrain.distill.report.table.Table;
import org.ingrain.distill.sample.Plan;

/** The section of a page with the prompts and the settings that reproduce the result. */
record SettingsPart(Report report, Prompts prompts) {
    void add(Markup page) {
        HtmlPage.open(page, "settings", "Settings");
        page.leaf("h3", "Prompts of " + report.method());
        page.open("ol", "class", "prompts");
        for (int i = 0; i < prompts.plan().steps().size(); i++) {
            Plan.PlannedStep step = prompts.plan().steps().get(i);
            page.open("li").open("p").leaf("b", step.name())
                    .text(", " + Figures.count(step.samples(), "sample", "samples") + ", temperature "
                    + step.params().temperature() + ", top-p " + step.params().topP() + ", at most " + step.params()
                            .maxTokens() + " tokens. ");
            page.leaf("span", "wording: " + prompts.marks().get(i).words(), "class", "chip").close("p")
                    .leaf("pre", step.words()).close("li");
        }
        page.close("ol");
        page.leaf("h3", "Settings that the result depends on");
        page.leaf(
                "p", "Runs with equal settings write equal bytes. Further files: the full methods in run.json, the "
                + "table in report.md and report.json, the plots as images in plots/, the training metrics for "
                + "TensorBoard in tensorboard/.");
        Map<String, List<List<String>>> groups = groups();
        groups.forEach((group, rows) -> {
            page.open("details", "open", group.equals("run") || group.equals("sample") || group.equals("curation")
                    ? "" : null)
                    .leaf("summary", group);
            HtmlPage.table(page, new Table(List.of("setting", "value"), rows), List.of());
            page.close("details");
        });
        page.close("section");
    }

    /** The settings, grouped by the part of the name before the first dot. */
    private Map<String, List<List<String>>> groups() {
        Map<String, List<List<String>>> groups = new LinkedHashMap<>();
        SettingsList.of(report.manifest()).forEach((name, value) -> {
            int dot = name.indexOf('.');
            groups.computeIfAbsent(dot < 0 ? "run" : name.substring(0, dot), group -> new ArrayList<>())
                    .add(List.of(name.substring(dot + 1), value));
        });
        return groups;
    }
}
