package org.ingrain.distill.report.page;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.report.plot.AccuracyPlot;
import org.ingrain.distill.report.plot.Colour;
import org.ingrain.distill.report.plot.LossPlot;
import org.ingrain.distill.report.plot.Plot;
import org.ingrain.distill.report.plot.TrainingCurve;
import org.ingrain.distill.report.plot.VotesPlot;
import org.ingrain.distill.report.table.Figures;
import org.ingrain.distill.report.table.Prompts;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.Table;
import org.ingrain.distill.report.table.Tables;
import org.ingrain.distill.report.table.Warning;
import org.ingrain.files.Json;
import tools.jackson.databind.JsonNode;

/**
 * The page {@code report.html}, a self-contained file that needs neither a network nor a server. The results are static
 * HTML. Only the lists of ledger entries and answers need the script of the page.
 *
 * @param answers the answers to the held-out questions; null if nothing was evaluated
 */
public record HtmlPage(Report report, Prompts prompts, List<LedgerPart> ledgers, AnswersPart answers,
        List<TrainingCurve> curves) {
    /** Describes a list of items to the script, which shows the list. */
    private record Browser(String kind, String pack, String title, List<Role> roles, List<String> titles) {
    }

    public String text() {
        Markup page = new Markup();
        head(page);
        page.open("main", "id", "main");
        result(page);
        curation(page);
        training(page);
        browsers(page);
        new SettingsPart(report, prompts).add(page);
        page.close("main");
        return resource("page.html").replace("{{title}}", new Markup().text(title() + " - Ingrain").toString())
                .replace("{{colours}}", Colour.css()).replace("{{style}}", resource("page.css"))
                .replace("{{script}}", resource("page.js"))
                .replace("{{body}}", page.toString());
    }

    private String title() {
        return report.task() + ": " + report.method() + " distilled";
    }

    private void head(Markup page) {
        JsonNode notes = report.manifest().notes();
        JsonNode settings = report.manifest().settings();
        Headline story = new Headline(report.arms());
        page.open("header").leaf("p", "Ingrain \u00b7 System 2 distilled into System 1", "class", "eyebrow")
                .leaf("h1", title());
        page.leaf("p", story.figures(), "class", "lead");
        if (answers != null && answers.gain() != null) {
            page.leaf("p", Headline.judgement(answers.gain()), "class", "judgement");
        }
        page.open("dl", "class", "facts");
        fact(page, "model", notes.path("model").asString(""));
        fact(page, "teacher", notes.path("teacher").asString(""));
        fact(page, "distilled on", Figures.count(report.sizes().pool(), "question", "questions"));
        fact(page, "held out", Figures.count(report.sizes().test(), "question", "questions"));
        fact(page, "seed", settings.path("sample").path("params").path("seed").asString(""));
        fact(page, "version", settings.path("version").asString(""));
        page.close("dl").close("header");
        page.open("nav", "aria-label", "Sections");
        for (String[] link : new String[][] {{"result", "Result"}, {"curation", "Curation"}, {"training", "Training"},
                {"ledger", "Ledger"}, {"answers", "Answers"}, {"settings", "Settings"}}) {
            if (answers != null || !link[0].equals("answers")) {
                page.leaf("a", link[1], "href", "#" + link[0]);
            }
        }
        page.close("nav");
    }

    private static void fact(Markup page, String name, String value) {
        if (!value.isEmpty()) {
            page.open("div").leaf("dt", name).leaf("dd", value).close("div");
        }
    }

    private void result(Markup page) {
        warnings(page);
        open(page, "result", "Result");
        Headline story = new Headline(report.arms());
        if (!story.main().isEmpty()) {
            page.open("div", "class", "cards");
            double most = story.main().stream().mapToDouble(ArmResult::tokens).max().orElse(1);
            story.main().forEach(arm -> card(page, arm, most));
            page.close("div");
        }
        page.open("div", "class", "pair beside");
        if (!report.arms().isEmpty()) {
            figure(page, new AccuracyPlot(report.arms()).draw(),
                    "Higher: more accurate. Further left: fewer tokens. Bars: 95 % intervals (Wilson's). Dotted: "
                    + report.arms().getFirst().commonest().title() + ".");
        }
        page.open("div");
        if (report.arms().isEmpty()) {
            page.leaf("p", "Not evaluated: there are no test questions with gold answers.");
        } else {
            table(page, Tables.arms(report.arms()), report.arms().stream().map(ArmResult::role).toList());
            ArmResult.bySet(report.arms()).forEach((set, own) -> {
                page.leaf("h3", "Questions of " + set);
                table(page, Tables.arms(own), own.stream().map(ArmResult::role).toList());
            });
            page.leaf(
                    "p", "#Tokens: mean number of generated tokens per question, including intermediate steps. A text "
                    + "without an answer counts as wrong." + report.aboutVotes() + Tables.ABOUT_CONSTANT, "class",
                    "note");
        }
        page.close("div").close("div");
        page.open("p").leaf("b", "What counts as an answer").text(" (" + report.task() + "): " + report.rule())
                .close("p");
        if (!report.arms().isEmpty()) {
            Table categories = Tables.categories(report.arms());
            if (!categories.rows().isEmpty()) {
                page.open("details").leaf("summary", "Categories of questions");
                table(page, categories, List.of());
                page.close("details");
            }
            page.open("details", "open", "").leaf("summary", "Answers to the held-out questions");
            table(page, Tables.given(report.arms()), List.of());
            page.close("details");
        }
        page.close("section");
    }

    private void warnings(Markup page) {
        if (report.warnings().isEmpty()) {
            return;
        }
        page.open("section", "id", "warnings", "class", "warnings", "aria-labelledby", "warnings-h")
                .leaf("h2", Figures.count(report.warnings().size(), "warning", "warnings"), "id", "warnings-h")
                .open("ul");
        for (Warning warning : report.warnings()) {
            page.open("li").leaf("b", warning.text());
            for (String word : warning.next().split(" ")) {
                page.text(" ").leaf("span", word, "class", "word");
            }
            page.close("li");
        }
        page.close("ul").close("section");
    }

    private static void card(Markup page, ArmResult arm, double mostTokens) {
        String asked = switch (arm.role()) {
            case SYSTEM_1 -> "asked directly";
            case SYSTEM_2 -> "System 2, with intermediate steps";
            default -> "asked directly, after training";
        };
        page.open("div", "class", "card", "style", "--ink: " + Colour.of(arm.role()).themed());
        page.leaf("h3", arm.title()).leaf("p", asked, "class", "how");
        page.open("p", "class", "big").text(Figures.percent(arm.accuracy())).leaf("span", " % right").close("p");
        gauge(page, arm.accuracy());
        page.open("p", "class", "big second").text(Figures.tokens(arm.tokens())).leaf("span", " tokens per question")
                .close("p");
        gauge(page, mostTokens == 0 ? 0 : arm.tokens() / mostTokens);
        page.leaf("p", "95 % interval " + Figures.percent(arm.low()) + " to " + Figures.percent(arm.high()), "class",
                "note").close("div");
    }

    private static void gauge(Markup page, double share) {
        page.open("div", "class", "gauge", "aria-hidden", "true")
                .leaf("i", "", "style", "width: " + Figures.percent(share) + "%").close("div");
    }

    private void curation(Markup page) {
        open(page, "curation", "Curation");
        if (report.imported() != null) {
            page.leaf("p", "Imported samples: " + report.imported().line() + ".");
        }
        page.leaf(
                "p", "Curation selects the unlabelled questions to train on. The verdict depends on the agreement of "
                + "the samples. Gold answers are only compared afterwards, for this page.");
        table(page, Tables.ledgers(report.ledgers(), report.titles()), roles(report.ledgers().keySet()));
        page.leaf("p", Tables.ABOUT_SAVED, "class", "note");
        for (LedgerPart ledger : ledgers) {
            boolean folded = ledger.student().role() != Role.DISTILLED;
            page.open(folded ? "details" : "div");
            page.leaf(folded ? "summary" : "h3", ledger.student().title());
            String early = ledger.counts().early() ? " Striped: decided early, so the value is only a lower bound."
                    : "";
            page.open("div", "class", "pair");
            figure(page, VotesPlot.votes(ledger.student(), ledger.counts()).draw(),
                    "Number of examples by the votes for the most frequent answer." + early);
            figure(page, VotesPlot.margins(ledger.student(), ledger.counts()).draw(),
                    "Number of examples by the margin of the most frequent answer over the second." + early);
            page.close("div").close(folded ? "details" : "div");
        }
        page.close("section");
    }

    private void training(Markup page) {
        open(page, "training", "Training");
        report.untrained().forEach(student -> page.leaf("p", "Curation kept nothing for " + student
                + ", so it was not trained."));
        page.open("div", "class", "pair");
        if (!curves.isEmpty()) {
            boolean watched = curves.stream().anyMatch(curve -> !curve.checks().isEmpty());
            boolean thinned = curves.stream().anyMatch(curve -> curve.steps().size() > LossPlot.POINTS);
            figure(page, new LossPlot(curves).draw(), "Mean loss per target token."
                    + (watched ? " Dashed, with dots: validation rows." : "")
                    + (thinned ? " Each point is the mean of neighbouring steps." : ""));
        }
        page.open("div");
        table(page, Tables.training(report.training(), report.titles()), roles(report.training().keySet()));
        page.close("div").close("div").close("section");
    }

    private void browsers(Markup page) {
        open(page, "ledger", "Ledger");
        page.leaf(
                "p", "All examples with their answers. Select an example to see its samples and intermediate texts.");
        ledgers.forEach(ledger -> bounds(page, ledger.packs(), ledgers.size() == 1
                ? "" : ledger.student().title() + ": ", ledger.file()));
        List<String> arms = report.arms().stream().map(ArmResult::title).toList();
        browser(
                page, ledgers.stream().map(ledger -> new Browser("ledger", "ledger-" + ledger.student().name(),
                        ledger.student().title(), List.of(), List.of())).toList());
        ledgers.forEach(ledger -> page.add(ledger.packs().end("ledger-" + ledger.student().name())));
        page.close("section");
        if (answers != null) {
            open(page, "answers", "Answers");
            page.leaf("p", "The held-out questions, with the answers of each method and model.");
            bounds(page, answers.packs(), "", "evaluation/*/scores.jsonl");
            browser(
                    page, List.of(new Browser("answers", "answers", "Answers",
                            report.arms().stream().map(ArmResult::role).toList(), arms)));
            page.add(answers.packs().end("answers")).close("section");
        }
    }

    /** Adds a note if the page omits texts. The note names the file that contains all texts. */
    private static void bounds(Markup page, PackedItems<?> packs, String whose, String file) {
        if (packs.opened() < packs.items()) {
            String rest = packs.listed() == packs.items()
                    ? "All items are listed. " : "The first " + Figures.count(packs.listed()) + " items are listed. ";
            page.leaf("p", whose + "To keep this page small, it contains only the texts of the first "
                    + Figures.count(packs.opened()) + " of " + Figures.count(packs.items()) + " items. " + rest
                    + "All texts are in " + file + ".",
                    "class", "bounded");
        }
    }

    private static void browser(Markup page, List<Browser> choices) {
        page.leaf("div", "", "class", "browser", "data-choices", Json.line(choices));
        page.open("noscript").leaf("p", "This list is shown only if the browser runs the script of this page.")
                .close("noscript");
    }

    /** The roles of the students with these names, in the order of the names. */
    private List<Role> roles(Collection<String> students) {
        return students.stream().map(name -> ledgers.stream().map(LedgerPart::student)
                .filter(student -> student.name().equals(name))
                .findFirst().orElseThrow().role()).toList();
    }

    static void open(Markup page, String id, String title) {
        page.open("section", "id", id, "aria-labelledby", id + "-h").leaf("h2", title, "id", id + "-h");
    }

    private static void figure(Markup page, Plot plot, String caption) {
        page.open("figure").add(Svg.of(plot)).leaf("figcaption", caption).close("figure");
    }

    /** @param roles the roles of the first rows; a row's role determines the row's colour */
    static void table(Markup page, Table table, List<Role> roles) {
        page.open("div", "class", "scroll", "tabindex", "0").open("table").open("thead").open("tr");
        table.head().forEach(title -> page.leaf("th", title, "scope", "col"));
        page.close("tr").close("thead").open("tbody");
        for (int i = 0; i < table.rows().size(); i++) {
            List<String> row = table.rows().get(i);
            page.open("tr", "class", i < roles.size() && roles.get(i) == Role.DISTILLED ? "marked" : null);
            page.open("th", "scope", "row");
            if (i < roles.size()) {
                page.leaf("i", "", "class", "swatch", "style", "background: " + Colour.of(roles.get(i)).themed());
            }
            page.text(row.getFirst()).close("th");
            row.subList(1, row.size()).forEach(cell -> page.leaf("td", cell));
            page.close("tr");
        }
        page.close("tbody").close("table").close("div");
    }

    static String resource(String name) {
        try (InputStream in = HtmlPage.class.getResourceAsStream(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
