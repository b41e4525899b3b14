package org.ingrain.distill.report.plot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.report.table.StudentFiles;
import org.junit.jupiter.api.Test;

class PlotsTest {
    private static final StudentFiles STUDENT = new StudentFiles(Role.DISTILLED, "distilled", "Distilled RaR", "",
            List.of(""));

    /** A ledger entry with eight planned votes. All drawn votes are for the answer yes. */
    private static Entry entry(int drawn) {
        List<Ballot.Answer> answers = Collections.nCopies(drawn, new Ballot.Answer("0", "yes", "yes", 1, Finish.STOP,
                List.of(), null, null));
        return new Entry("1", "q", "yes", null, Entry.Verdict.KEPT, Entry.Reason.MAJORITY, "", "yes", true, drawn,
                2 * drawn - 8, drawn < 8, 8, 8, drawn, drawn, List.of(new Ballot.Votes("yes", drawn)),
                List.of(new Entry.TargetText(0, "0", "yes")), List.of(new Entry.Order("1", answers)));
    }

    private static List<String> texts(Plot plot) {
        return plot.shapes().stream().filter(Plot.Shape.Text.class::isInstance)
                .map(shape -> ((Plot.Shape.Text) shape).text()).toList();
    }

    private static long stripes(Plot plot) {
        return plot.shapes().stream().filter(shape -> shape instanceof Plot.Shape.Line line
                && line.ink() == Colour.SURFACE).count();
    }

    @Test
    void allPossibleVotesAreOnTheAxisAndEarlyOnesAreMarked() {
        VoteCounts counts = new VoteCounts();
        counts.add(entry(5));
        counts.add(entry(5));
        Plot votes = VotesPlot.votes(STUDENT, counts).draw();
        assertTrue(texts(votes).containsAll(IntStream.rangeClosed(0, 8).mapToObj(String::valueOf).toList()));
        assertTrue(texts(votes).contains("votes for the most frequent answer; striped: lower bound"));
        assertTrue(stripes(votes) > 3);
        assertEquals("5: 2 kept, right (2 early)", votes.words().description());
        Plot margins = VotesPlot.margins(STUDENT, counts).draw();
        assertEquals("2: 2 kept, right (2 early)", margins.words().description(), "three more votes against yes");
    }

    @Test
    void withAllSamplesNothingIsStriped() {
        VoteCounts counts = new VoteCounts();
        counts.add(entry(8));
        Plot votes = VotesPlot.votes(STUDENT, counts).draw();
        assertEquals(0, stripes(votes));
        assertEquals("8: 1 kept, right", votes.words().description());
        assertFalse(texts(votes).stream().anyMatch(text -> text.contains("early")));
    }

    private static TrainingCurve curve(Role role, String title, double... losses) {
        return new TrainingCurve(role, title, title, IntStream.range(0, losses.length)
                .mapToObj(i -> new TrainingCurve.Step(i + 1, losses[i], 1e-3, 1)).toList(), List.of());
    }

    @Test
    void theMainStudentsLossIsDrawnOnTop() {
        Plot plot = new LossPlot(List.of(curve(Role.DISTILLED, "main", 2, 1.5), curve(Role.UNFILTERED, "control", 2,
                1.4))).draw();
        List<Colour> curves = plot.shapes().stream().filter(shape -> shape instanceof Plot.Shape.Line line
                && line.width() == 2).map(shape -> ((Plot.Shape.Line) shape).ink()).toList();
        assertEquals(List.of(Colour.of(Role.UNFILTERED), Colour.of(Role.DISTILLED)), curves);
        assertTrue(texts(plot).contains("loss"));
    }

    @Test
    void lossesOfDifferentSizesHaveALogAxis() {
        Plot plot = new LossPlot(List.of(curve(Role.DISTILLED, "main", 5, 0.1, 0.02, 0))).draw();
        assertTrue(texts(plot).containsAll(List.of("loss (log scale)", "0.1", "1")), texts(plot).toString());
        assertTrue(plot.shapes().stream().filter(Plot.Shape.Line.class::isInstance)
                .flatMap(shape -> ((Plot.Shape.Line) shape).points().stream())
                .allMatch(point -> point.y() >= 0 && point.y() <= Plot.HEIGHT), "a loss of 0 stays in the plot");
    }
}
