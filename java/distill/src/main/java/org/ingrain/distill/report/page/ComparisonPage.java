package org.ingrain.distill.report.page;

import java.util.List;
import org.ingrain.distill.report.plot.Colour;
import org.ingrain.distill.report.table.Comparison;

/** A self-contained page that shows several runs side by side. */
public record ComparisonPage(Comparison comparison) {
    public String text() {
        String title = "Comparison of " + String.join(", ", comparison.runs());
        Markup page = new Markup();
        page.open("header").leaf("p", "Ingrain \u00b7 runs side by side", "class", "eyebrow").leaf("h1", title)
                .close("header").open("main", "id", "main");
        HtmlPage.open(page, "result", "Result");
        HtmlPage.table(page, comparison.arms(), List.of());
        page.leaf("p", "With one seed, the interval is Wilson's, over the questions. With several seeds, the accuracy "
                + "is the mean over the seeds, and the interval is Student's.", "class", "note").close("section");
        HtmlPage.open(page, "tests", "Paired tests of the students");
        page.leaf("p", "McNemar's exact test on the same held-out questions.", "class", "note").open("ul");
        comparison.testLines().forEach(line -> page.leaf("li", line));
        page.close("ul").close("section");
        HtmlPage.open(page, "cost", "Time and tokens");
        HtmlPage.table(page, comparison.costs("run"), List.of());
        page.close("section");
        HtmlPage.open(page, "settings", "Settings that differ");
        if (comparison.settings().isEmpty()) {
            page.leaf("p", "All settings are equal.");
        } else {
            HtmlPage.table(page, comparison.differences(), List.of());
        }
        page.close("section").close("main");
        return HtmlPage.resource("page.html").replace("{{title}}", new Markup().text(title + " - Ingrain").toString())
                .replace("{{colours}}", Colour.css()).replace("{{style}}", HtmlPage.resource("page.css"))
                .replace("{{script}}", "").replace("{{body}}", page.toString());
    }
}
