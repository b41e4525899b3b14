package org.ingrain.distill.report;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.report.page.AnswersPart;
import org.ingrain.distill.report.page.HtmlPage;
import org.ingrain.distill.report.page.LedgerPart;
import org.ingrain.distill.report.page.MarkdownPage;
import org.ingrain.distill.report.plot.AccuracyPlot;
import org.ingrain.distill.report.plot.Glyphs;
import org.ingrain.distill.report.plot.LossPlot;
import org.ingrain.distill.report.plot.Plot;
import org.ingrain.distill.report.plot.Png;
import org.ingrain.distill.report.plot.TrainingCurve;
import org.ingrain.distill.report.plot.VotesPlot;
import org.ingrain.distill.report.table.Prompts;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.StudentFiles;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * Writes the reports of a finished run: {@code report.json}, {@code report.md}, {@code report.html}, the plots as
 * images, and the training metrics for TensorBoard. The content of these files depends only on the other files of the
 * run.
 *
 * @param folder   run folder
 * @param prompts  prompts of the System 2 method
 * @param students all students, including those for which curation kept no example
 */
public record Publication(Path folder, Report report, Prompts prompts, List<StudentFiles> students) {
    /**
     * Approximate maximum number of compressed characters of all indexes in a page, and also of all texts in a page. So
     * a page can have twice this size. A page of that size still opens quickly.
     */
    private static final int ROOM = 12 << 20;

    public void write() {
        DurableFile.write(folder.resolve("report.json"), Json.pretty(report));
        DurableFile.write(folder.resolve("report.md"), new MarkdownPage(report, prompts).text());
        List<TrainingCurve> curves = students.stream().filter(student -> report.training().containsKey(student.name()))
                .map(student -> TrainingCurve.read(student,
                        student.stages().stream().map(stage -> folder.resolve(stage + "training/metrics.jsonl"))
                        .toList()))
                .filter(curve -> !curve.steps().isEmpty()).toList();
        curves.forEach(this::writeEvents);
        int room = ROOM / (students.size() + 1);
        List<LedgerPart> ledgers = students.stream().map(student -> LedgerPart.read(folder, student, room)).toList();
        AnswersPart answers = report.arms().isEmpty() ? null : AnswersPart.read(folder, report.arms(), room);
        Png png = new Png(Glyphs.load());
        plots(ledgers, curves).forEach(plot -> DurableFile.write(
                folder.resolve("plots/" + plot.words().name() + ".png"), out -> out.write(png.of(plot))));
        DurableFile.write(folder.resolve("report.html"),
                new HtmlPage(report, prompts, ledgers, answers, curves).text());
    }

    private List<Plot> plots(List<LedgerPart> ledgers, List<TrainingCurve> curves) {
        List<Plot> plots = new ArrayList<>();
        if (!report.arms().isEmpty()) {
            plots.add(new AccuracyPlot(report.arms()).draw());
        }
        if (!curves.isEmpty()) {
            plots.add(new LossPlot(curves).draw());
        }
        for (LedgerPart ledger : ledgers) {
            plots.add(VotesPlot.votes(ledger.student(), ledger.counts()).draw());
            plots.add(VotesPlot.margins(ledger.student(), ledger.counts()).draw());
        }
        return plots;
    }

    private void writeEvents(TrainingCurve curve) {
        DurableFile.write(folder.resolve("tensorboard/" + curve.name() + "/" + EventFile.NAME), out -> {
            EventFile events = new EventFile(out);
            for (TrainingCurve.Step step : curve.steps()) {
                events.scalar(step.step(), "train/loss", step.loss());
                events.scalar(step.step(), "train/learning_rate", step.learningRate());
                events.scalar(step.step(), "train/grad_norm", step.gradNorm());
            }
            for (TrainingCurve.Check check : curve.checks()) {
                events.scalar(check.step(), "validation/loss", check.loss());
            }
        });
    }
}
