package org.ingrain.distill.report.plot;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.report.table.StudentFiles;
import org.ingrain.files.JsonFields;
import org.ingrain.files.JsonLines;
import tools.jackson.databind.JsonNode;

/**
 * The metrics of a student at each optimizer step. Steps are numbered consecutively over all training stages of the
 * student.
 *
 * @param role   role of the student
 * @param name   name of the student
 * @param title  title of the student
 * @param steps  metrics of the optimizer steps
 * @param checks losses on the validation rows
 */
public record TrainingCurve(Role role, String name, String title, List<Step> steps, List<Check> checks) {
    public record Step(int step, double loss, double learningRate, double gradNorm) {
    }

    public record Check(int step, double loss) {
    }

    /**
     * Reads the metrics of the training stages. Missing files are skipped.
     *
     * @param files the files {@code metrics.jsonl}, in the order of the training stages
     */
    public static TrainingCurve read(StudentFiles student, List<Path> files) {
        List<Step> steps = new ArrayList<>();
        List<Check> checks = new ArrayList<>();
        for (Path file : files) {
            int before = steps.isEmpty() ? 0 : steps.getLast().step();
            if (Files.exists(file)) {
                forEach(file, line -> {
                    int step = before + line.integer("step");
                    if (line.has("validation_loss")) {
                        checks.add(new Check(step, line.number("validation_loss")));
                    } else {
                        steps.add(new Step(step, line.number("loss"), line.number("learning_rate"),
                                line.number("grad_norm")));
                    }
                });
            }
        }
        return new TrainingCurve(student.role(), student.name(), student.title(), steps, checks);
    }

    private static void forEach(Path file, Consumer<JsonFields> each) {
        try (JsonLines<JsonNode> lines = JsonLines.open(file, JsonNode.class)) {
            for (JsonNode line = lines.next(); line != null; line = lines.next()) {
                each.accept(new JsonFields(lines.where(), line));
            }
        }
    }

    /**
     * The pairs of step and loss. If there are more than {@code most} steps, consecutive steps are combined, so that
     * there are at most {@code most} pairs. Each pair then has the means of its steps.
     */
    public List<double[]> losses(int most) {
        List<double[]> points = new ArrayList<>();
        int together = Math.ceilDiv(Math.max(1, steps.size()), most);
        for (int from = 0; from < steps.size(); from += together) {
            List<Step> some = steps.subList(from, Math.min(steps.size(), from + together));
            points.add(new double[] {some.stream().mapToInt(Step::step).average().orElseThrow(),
                    some.stream().mapToDouble(Step::loss).average().orElseThrow()});
        }
        return points;
    }
}
