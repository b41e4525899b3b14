package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.xml.parsers.DocumentBuilderFactory;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.distill.report.page.Pages;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;
import tools.jackson.databind.JsonNode;

/** Reads the page of a run and checks its content. */
class ReportPageTest {
    private static final List<Control> BOTH = List.of(Control.DISTILLED_SYSTEM_1, Control.UNFILTERED);
    private static final String HOSTILE = "</script><img src=x onerror=alert(1)> & {{script}} the";

    @TempDir(factory = MemoryFolder.class)
    Path base;

    @Test
    void holdsTheTableAndEveryEntryWithItsSamples() throws IOException {
        Report report = ((Outcome.Done) Runs.run(Runs.config(Runs.letters(60, 20), List.of(4, 2), BOTH), base, "run",
                FakeModel.with(2))).report();
        String page = Files.readString(base.resolve("run/report.html"));
        for (ArmResult arm : report.arms()) {
            String row = Pattern.compile("<tr[^>]*>\\s*<th scope=\"row\">.*?</tr>", Pattern.DOTALL).matcher(page)
                    .results().map(MatchResult::group)
                    .filter(text -> text.contains("</i>\n" + arm.title() + "</th>")).findFirst().orElseThrow();
            assertTrue(row.contains(String.format("<td>%.1f</td>", 100 * arm.accuracy())), row);
            assertTrue(row.contains(String.format("<td>%.1f</td>", arm.tokens())), row);
            assertTrue(row.contains("<td>" + arm.right() + " of 20</td>"), row);
        }
        String few = report.warnings().stream().filter(warning -> warning.kind().equals("few-kept")).findFirst()
                .orElseThrow().text();
        assertTrue(page.contains("id=\"warnings\"") && page.contains("<b>" + few), few);
        assertTrue(Pattern.compile("<details>\\s*<summary>Distilled System 1</summary>").matcher(page).find(),
                "the plots of controls are folded");
        assertTrue(page.contains("One letter for each word that the question quotes"), "what counts as an answer");
        Map<String, List<JsonNode>> packs = Pages.packs(page);
        for (Map.Entry<String, String> student : Map.of("distilled", "", "distilled-system-1",
                "controls/distilled-system-1/", "unfiltered", "controls/unfiltered/").entrySet()) {
            List<Entry> entries = JsonLines.read(base.resolve("run/" + student.getValue() + "ledger.jsonl"),
                    Entry.class);
            String pack = "ledger-" + student.getKey();
            assertEquals(entries.size(), packs.get(pack + "-index").size());
            for (int i = 0; i < entries.size(); i++) {
                Entry entry = entries.get(i);
                JsonNode item = packs.get(pack + "-index").get(i);
                assertEquals(entry.id(), item.path("row").path("id").asString());
                assertEquals(Json.line(entry.votes()), Json.line(item.path("votes")));
                assertEquals(Json.line(entry.verdict()), Json.line(item.path("row").path("verdict")));
                assertEquals(Json.line(entry.orders()), Json.line(Pages.texts(packs, pack, i).path("orders")),
                        "all texts, character by character");
            }
        }
        int gained = 0;
        for (JsonNode item : packs.get("answers-index")) {
            gained += item.path("arms").get(0).path("right").asBoolean()
                    ? 0 : item.path("arms").get(4).path("right").asBoolean() ? 1 : 0;
        }
        assertEquals("distilled", report.arms().get(4).name());
        assertTrue(page.contains("is better than System 1 on " + gained + " question"), gained + " questions");
        List<Score> scores = JsonLines.read(base.resolve("run/evaluation/system-2/scores.jsonl"), Score.class);
        for (int i = 0; i < scores.size(); i++) {
            List<Ballot.Answer> answers = scores.get(i).answers();
            assertEquals(scores.get(i).right(), packs.get("answers-index").get(i).path("arms").get(1).path("right")
                    .asBoolean());
            assertEquals(Json.line(answers), Json.line(Pages.texts(packs, "answers", i).path("arms").get(1)));
        }
    }

    @Test
    void needsNothingFromElsewhere() throws Exception {
        Runs.run(Runs.config(Runs.letters(20, 10), List.of(4), BOTH), base, "run", FakeModel.with(1));
        String page = Files.readString(base.resolve("run/report.html"));
        assertFalse(Pattern.compile("\\s(src|srcset|action|data)=\"|url\\(|@import|<link|<iframe").matcher(page)
                .find());
        Set<String> links = Pattern.compile("href=\"([^\"]*)\"").matcher(page).results().map(found -> found.group(1))
                .collect(Collectors.toSet());
        assertTrue(links.stream().allMatch(link -> link.startsWith("#")
                && page.contains("id=\"" + link.substring(1) + "\"")), links.toString());
        List<String> drawings = Pattern.compile("<svg.*?</svg>", Pattern.DOTALL).matcher(page).results()
                .map(MatchResult::group).toList();
        assertEquals(1 + 3 * 2 + 1, drawings.size(), "accuracy, votes and margins of three students, losses");
        for (String drawing : drawings) {
            DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(drawing)));
            assertFalse(drawing.contains("NaN") || drawing.contains("Infinity"), drawing);
        }
    }

    @Test
    void whatAModelSaysIsNeverMarkup() throws IOException {
        StringBuilder questions = new StringBuilder();
        for (String words : List.of("Edgar Bob", "Ann Lee", "Tom Ray", "Sue Kim", "Max Fox", "Eva Day", "Leo Orr",
                "Ida Poe", "Ben Hur", "Amy Tan")) {
            questions.append(
                    Json.line(Map.of("question", "Take " + HOSTILE + " last letters of the words in \"" + words
                            + "\" and concatenate them.")))
                    .append('\n');
        }
        Files.writeString(base.resolve("questions.jsonl"), questions);
        Runs.run(Runs.config(QuestionConfig.of("last-letter", base.resolve("questions.jsonl")), List.of(4), List.of()),
                base, "run", FakeModel.with(1));
        String page = Files.readString(base.resolve("run/report.html"));
        assertFalse(page.contains("<img") || page.contains("onerror"), "a question's markup");
        assertEquals(Pattern.compile("<script[ >]").matcher(page).results().count(),
                Pattern.compile("</script>").matcher(page).results().count());
        Map<String, List<JsonNode>> packs = Pages.packs(page);
        assertTrue(packs.get("ledger-distilled-index").getFirst().path("row").path("question").asString()
                .contains(HOSTILE));
        assertTrue(Pages.texts(packs, "ledger-distilled", 0).toString().contains("In other words: Take </script>"));
    }
}
