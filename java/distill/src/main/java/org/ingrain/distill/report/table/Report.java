package org.ingrain.distill.report.table;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.sample.ImportedAnswers;
import org.ingrain.distill.task.Dataset;
import org.ingrain.files.Manifest;

/**
 * The result of a run, which is written to {@code report.json}. A report contains no times or dates, so that equal runs
 * write equal bytes.
 *
 * @param task     name of the task
 * @param rule     description in words of how the task finds an answer in a text
 * @param method   title of the System 2 method
 * @param manifest settings of the run and digests of the run's files
 * @param warnings reasons to doubt the result
 * @param arms     results of the evaluated arms; empty if the data has no test questions
 * @param titles   title of each student, by name
 * @param ledgers  summary of the ledger of each student, by name
 * @param training result of the last training of each student, by name; students for which curation kept no example are
 *                 missing
 * @param imported origin of the samples of the main student; null if the model drew them
 */
public record Report(String task, String rule, String method, Manifest manifest, Sizes sizes, List<Warning> warnings,
        List<ArmResult> arms, Map<String, String> titles, Map<String, Ledger.Summary> ledgers,
        Map<String, Tuner.Tuned> training, ImportedAnswers.Source imported) {
    /**
     * The names of a run's task and method, and the settings of the run.
     *
     * @param imported as in {@link Report}
     */
    public record Subject(String task, String rule, String method, Manifest manifest, ImportedAnswers.Source imported) {
    }

    /** The results of a run, as in {@link Report}. */
    public record Results(List<ArmResult> arms, Map<String, Ledger.Summary> ledgers,
            Map<String, Tuner.Tuned> training) {
    }

    /**
     * Makes the report of a run. Reads the scores of all arms to find the warnings.
     *
     * @param folder   run folder
     * @param students all students, including those for which curation kept no example
     */
    public static Report of(Path folder, Subject subject, Sizes sizes, Results results, List<StudentFiles> students) {
        Map<String, String> titles = new LinkedHashMap<>();
        students.forEach(student -> titles.put(student.name(), student.title()));
        return new Report(subject.task(), subject.rule(), subject.method(), subject.manifest(), sizes,
                GuardRails.check(folder, results.arms(), students, results.ledgers()), results.arms(), titles,
                results.ledgers(), results.training(), subject.imported());
    }

    /**
     * Counts of the questions in the data.
     *
     * @param pool    questions to distil on
     * @param test    questions to evaluate on
     * @param dropped questions that were removed from the pool because they or variants of them are test questions
     */
    public record Sizes(int pool, int test, int dropped) {
        public static Sizes of(Dataset data) {
            return new Sizes(data.pool().size(), data.test().size(), data.dropped());
        }
    }

    /** The file with the scores of an arm, relative to the run folder. */
    public static String scores(String arm) {
        return "evaluation/" + arm + "/scores.jsonl";
    }

    /** The result table as text for a terminal; lines end with \n. */
    public String table() {
        StringBuilder text = new StringBuilder(heading()).append("\n\n");
        text.append(arms.isEmpty() ? "not evaluated: no test questions with gold answers\n" : Tables.arms(arms).text())
                .append('\n');
        ArmResult.bySet(arms).forEach((set, own) -> text.append(set).append(":\n").append(Tables.arms(own).text())
                .append('\n'));
        text.append(imported == null ? "" : "samples: " + imported.line() + "\n");
        ledgers.forEach((student, summary) -> text.append(titles.get(student)).append(": ")
                .append(Tables.kept(summary)).append('\n'));
        return text.toString();
    }

    /** The titles of the students for which curation kept no example. */
    public List<String> untrained() {
        return ledgers.keySet().stream().filter(student -> !training.containsKey(student)).map(titles::get).toList();
    }

    /**
     * A note about the columns of majority votes, which stands below the result table; empty if there are none.
     */
    public String aboutVotes() {
        return Tables.aboutVotes(Tables.shares(arms.stream().map(ArmResult::shares)));
    }

    public String heading() {
        return task + ", " + method + ": " + sizes.pool() + " questions distilled on, " + sizes.test() + " held out";
    }
}
