package org.ingrain.distill.report.page;

import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.report.table.Prompts;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.SettingsList;
import org.ingrain.distill.report.table.Table;
import org.ingrain.distill.report.table.Tables;
import org.ingrain.distill.sample.Plan;

/** The page {@code report.md}, which has the warnings, the tables, and the settings that reproduce the result. */
public record MarkdownPage(Report report, Prompts prompts) {
    public String text() {
        StringBuilder page = new StringBuilder("# ").append(report.heading()).append("\n\n");
        report.warnings().forEach(warning -> page.append("> **Warning.** ").append(warning.line()).append("\n>\n"));
        page.append(report.warnings().isEmpty() ? "" : "\n");
        page.append(report.arms().isEmpty() ? "Not evaluated: there are no test questions with gold answers.\n"
                : Tables.arms(report.arms()).markdown());
        ArmResult.bySet(report.arms()).forEach((set, own) -> page.append("\nQuestions of `").append(quotable(set))
                .append("`:\n\n").append(Tables.arms(own).markdown()));
        page.append(
                "\n#Tokens: mean number of generated tokens per question, including intermediate steps. Intervals are "
                + "Wilson's. A text without an answer counts as wrong." + report.aboutVotes() + Tables.ABOUT_CONSTANT
                + "\n\nWhat counts as an answer: " + report.rule() + "\n");
        Table categories = Tables.categories(report.arms());
        page.append(categories.rows().isEmpty() ? "" : "\nCategories of questions:\n\n" + categories.markdown());
        if (!report.arms().isEmpty()) {
            page.append("\nAnswers to the held-out questions:\n\n").append(Tables.given(report.arms()).markdown());
        }
        page.append("\n## Curation\n\n").append(report.imported() == null ? "" : "Imported samples: "
                + quotable(report.imported().line()) + ".\n\n")
                .append(Tables.ledgers(report.ledgers(), report.titles()).markdown())
                .append('\n').append(Tables.ABOUT_SAVED).append('\n');
        report.untrained().forEach(student -> page.append("\nCuration kept nothing for ").append(student)
                .append(", so it was not trained.\n"));
        report.ledgers().forEach((student, summary) ->
                page.append("\nVotes, ").append(report.titles().get(student)).append(":\n\n")
                        .append(Tables.votes(summary).markdown()));
        page.append("\nIf the verdict on an example was decided early, only the votes until then are counted.\n");
        page.append("\n\"labels right\" compares the labels with gold answers, which are used only for the report.\n");
        page.append("\n## Training\n\n").append(Tables.training(report.training(), report.titles()).markdown());
        page.append("\n## Settings\n\n");
        page.append("Questions: ").append(report.sizes().pool()).append(" to distil on, ").append(report.sizes().test())
                .append(" held out, ").append(report.sizes().dropped())
                .append(" more not used, because the same questions or variants of them are held out.\n\n");
        prompts(page);
        SettingsList.of(report.manifest()).forEach((name, value) -> page.append("- ").append(name).append(": `")
                .append(quotable(value)).append("`\n"));
        return page.toString();
    }

    private void prompts(StringBuilder page) {
        page.append("Prompts of ").append(report.method()).append(":\n\n");
        for (int i = 0; i < prompts.plan().steps().size(); i++) {
            Plan.PlannedStep step = prompts.plan().steps().get(i);
            page.append(i + 1).append(". ").append(step.name()).append(", ").append(step.samples())
                    .append(step.samples() == 1 ? " sample" : " samples").append(", wording ")
                    .append(prompts.marks().get(i).words()).append(": `")
                    .append(quotable(step.words())).append("`\n");
        }
        page.append("\nSettings that the result depends on (run.json has the full methods):\n\n");
    }

    private static String quotable(String text) {
        return text.replace("`", "'").replace("\n", "\\n");
    }
}
