package org.ingrain.distill.report.page;

import org.ingrain.distill.report.table.Prompts;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.SettingsList;
import org.ingrain.distill.report.table.Tables;
import org.ingrain.distill.sample.Plan;

/** {@code report.md}: the tables, then everything that is needed to get the same again. */
public record MarkdownPage(Report report, Prompts prompts) {
    public String text() {
        StringBuilder page = new StringBuilder("# ").append(report.heading()).append("\n\n");
        page.append(report.arms().isEmpty() ? "Not evaluated: the questions come without answers.\n"
                : Tables.arms(report.arms()).markdown());
        page.append(
                "\n#Tokens: generated for each question on average, intermediate steps included. Intervals are "
                + "Wilson's. A question to"
                + " which no answer is found in the text counts as wrong." + report.aboutVotes() + "\n");
        page.append("\n## Curation\n\n").append(Tables.ledgers(report.ledgers()).markdown())
                .append('\n').append(Tables.ABOUT_SAVED).append('\n');
        report.ledgers().keySet().stream().filter(student -> !report.training().containsKey(student))
                .forEach(student -> page.append("\nNothing was kept for ").append(student)
                .append(", so it was not trained.\n"));
        report.ledgers().forEach((student, summary) ->
                page.append("\nVotes, ").append(student).append(":\n\n").append(Tables.votes(summary).markdown()));
        page.append("\n\"labels right\" compares with gold answers, which nothing before this page has looked at.\n");
        page.append("\n## Training\n\n").append(Tables.training(report.training()).markdown());
        page.append("\n## Settings\n\n");
        page.append("Questions: ").append(report.sizes().pool()).append(" to distil on, ").append(report.sizes().test())
                .append(" held out, ").append(report.sizes().dropped())
                .append(" left out because the held-out part has them too.\n\n");
        prompts(page);
        SettingsList.of(report.manifest()).forEach((name, value) -> page.append("- ").append(name).append(": `")
                .append(quotable(value)).append("`\n"));
        return page.toString();
    }

    private void prompts(StringBuilder page) {
        page.append("What ").append(report.method()).append(" asks:\n\n");
        for (int i = 0; i < prompts.plan().steps().size(); i++) {
            Plan.PlannedStep step = prompts.plan().steps().get(i);
            page.append(i + 1).append(". ").append(step.name()).append(", ").append(step.samples())
                    .append(step.samples() == 1 ? " sample" : " samples").append(", wording ")
                    .append(prompts.marks().get(i).words()).append(": `")
                    .append(quotable(step.prompt().text())).append("`\n");
        }
        page.append("\nEverything that the result depends on (the whole methods are in run.json):\n\n");
    }

    private static String quotable(String text) {
        return text.replace("`", "'").replace("\n", "\\n");
    }
}
