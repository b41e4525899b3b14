package org.ingrain.distill.report;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * What is written of a finished run: {@code report.json}, {@code report.md}, {@code report.html}, its plots as
 * images and, for TensorBoard, the training. All
 * of it is a function of the run's other files.
 *
 * @param folder   of the run
 * @param asked    how System 2 was asked
 * @param students everyone who was taught, those included for whom nothing was kept
 */
public record Publication(Path folder, Report report, Asked asked, List<Taught> students) {
    /** Characters of compressed texts in a page, about; a page of twice that still opens at once. */
    private static final int ROOM = 12 << 20;

    public void write() {
        DurableFile.write(folder.resolve("report.json"), Json.pretty(report));
        DurableFile.write(folder.resolve("report.md"), report.markdown(asked));
        List<Curve> curves = students.stream().filter(student -> report.training().containsKey(student.name()))
                .map(student -> Curve.read(student, student.stages().stream().map(stage -> folder.resolve(stage + "training/metrics.jsonl")).toList()))
                .filter(curve -> !curve.steps().isEmpty()).toList();
        curves.forEach(this::writeEvents);
        int room = ROOM / (students.size() + 1);
        List<LedgerPart> ledgers = students.stream().map(student -> LedgerPart.read(folder, student, room)).toList();
        AnswersPart answers = report.arms().isEmpty() ? null : AnswersPart.read(folder, report.arms(), room);
        plots(ledgers, curves).forEach(this::writeImage);
        DurableFile.write(folder.resolve("report.html"), new HtmlPage(report, asked, ledgers, answers, curves).text());
    }

    private List<Plot> plots(List<LedgerPart> ledgers, List<Curve> curves) {
        List<Plot> plots = new ArrayList<>();
        if (!report.arms().isEmpty()) {
            plots.add(new AccuracyPlot(report.arms()).draw());
        }
        if (!curves.isEmpty()) {
            plots.add(new LossPlot(curves).draw());
        }
        for (LedgerPart ledger : ledgers) {
            plots.add(VotesPlot.votes(ledger.student(), ledger.census()).draw());
            plots.add(VotesPlot.margins(ledger.student(), ledger.census()).draw());
        }
        return plots;
    }

    private void writeImage(Plot plot) {
        DurableFile.write(folder.resolve("plots/" + plot.words().name() + ".png"), out -> out.write(new Png(Glyphs.load()).of(plot)));
    }

    private void writeEvents(Curve curve) {
        DurableFile.write(folder.resolve("tensorboard/" + curve.name() + "/" + EventFile.NAME), out -> {
            EventFile events = new EventFile(out);
            for (Curve.Step step : curve.steps()) {
                events.scalar(step.step(), "train/loss", step.loss());
                events.scalar(step.step(), "train/learning_rate", step.learningRate());
                events.scalar(step.step(), "train/grad_norm", step.gradNorm());
            }
            for (Curve.Check check : curve.checks()) {
                events.scalar(check.step(), "validation/loss", check.loss());
            }
        });
    }
}
