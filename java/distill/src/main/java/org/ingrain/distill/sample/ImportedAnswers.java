package org.ingrain.distill.sample;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;

/**
 * Answers that another program sampled, used in place of a method's samples. The answers to a question are sorted by
 * their numbers in the file and then renumbered from 0.
 *
 * <p>The file may contain answers to held-out questions. They are ignored.
 *
 * @param source  where the answers come from
 * @param answers the answers to each question to distil on; the key is the question's id. Questions without answers
 *                have no entry
 */
public record ImportedAnswers(Source source, Map<String, List<Answer>> answers) {
    /**
     * Origin and counts of imported answers; the content of {@code imported.json}.
     *
     * @param file      name of the file
     * @param sha256    digest of the file
     * @param format    {@code answers} or {@code batch output}
     * @param answers   number of answers to questions to distil on
     * @param questions number of questions to distil on that have answers
     * @param without   number of questions to distil on that have no answer
     * @param heldOut   number of answers to held-out questions, which are ignored
     * @param failed    number of rows of a batch output whose request has failed
     */
    public record Source(String file, String sha256, String format, int answers, int questions, int without,
            int heldOut, int failed) {
        public Source {
            Require.present("file", file);
            Require.present("sha256", sha256);
            Require.present("format", format);
        }

        /** The origin in words, one line. */
        public String line() {
            return answers + " answers to " + questions + " questions from " + file + " (" + format + ", SHA-256 "
                    + sha256.substring(0, 12) + ")" + part(without, "questions without an answer")
                    + part(heldOut, "answers to held-out questions ignored") + part(failed, "failed requests");
        }

        private static String part(int n, String what) {
            return n == 0 ? "" : ", " + n + " " + what;
        }
    }

    /**
     * An answer: the texts of its steps, and the number of tokens of each text. {@code tokens} is null if the numbers
     * are unknown.
     */
    public record Answer(List<String> texts, List<Integer> tokens, Finish finish) {
    }

    /** Name of the file in a run folder that records the origin of imported answers. */
    public static final String ORIGIN = "imported.json";

    /** The largest number of answers that a file has for one question. */
    public static int most(Path file) {
        Map<String, Integer> counts = new HashMap<>();
        AnswerRow.read(file).rows().forEach(row -> counts.merge(row.numbered().key(), 1, Integer::sum));
        return counts.values().stream().mapToInt(Integer::intValue).max().orElseThrow();
    }

    /**
     * Reads a file of answers and assigns them to the questions of a run.
     *
     * @param plan plan of the method that generated the answers
     * @throws InputException if the method branches; if the file is malformed or empty; if a question is unknown; if a
     *         sample occurs twice; if an answer does not have one text for each step; or if a question has more answers
     *         than the plan allows
     */
    public static ImportedAnswers read(Path file, Dataset data, Plan plan) {
        if (plan.splitter() != null) {
            throw InputException.field("importedSamples", file + ": imported answers for a method that branches,"
                    + " expected a method that does not branch");
        }
        Map<String, String> byText = new HashMap<>();
        data.pool().forEach(question -> byText.putIfAbsent(question.question().strip(), question.id()));
        data.test().forEach(question -> byText.putIfAbsent(question.question().strip(), question.id()));
        Set<String> pool = ids(data.pool());
        Set<String> test = ids(data.test());
        AnswerRow.All all = AnswerRow.read(file);
        Map<String, List<AnswerRow>> rows = new HashMap<>();
        int heldOut = 0;
        for (AnswerRow each : all.rows()) {
            AnswerRow row = pool.contains(each.key()) || test.contains(each.key()) ? each : each.numbered();
            String id = row.byText() ? byText.get(row.key()) : row.key();
            if (test.contains(id)) {
                heldOut++;
            } else if (pool.contains(id)) {
                requireSteps(row, plan);
                rows.computeIfAbsent(id, none -> new ArrayList<>()).add(row);
            } else {
                throw new InputException(row.where() + ": " + (row.byText() ? "question" : "id") + " is " + row.key()
                        + ", expected one of the questions, such as " + data.pool().getFirst().id());
            }
        }
        Map<String, List<Answer>> answers = new LinkedHashMap<>();
        data.pool().stream().map(Example::id).filter(rows::containsKey)
                .forEach(id -> answers.put(id, ordered(rows.get(id), id, plan.steps().getFirst().samples())));
        int count = answers.values().stream().mapToInt(List::size).sum();
        return new ImportedAnswers(new Source(file.getFileName().toString(), Digest.content(file), all.format(), count,
                answers.size(), data.pool().size() - answers.size(), heldOut, all.failed()), answers);
    }

    private static Set<String> ids(List<Example> questions) {
        Set<String> ids = new HashSet<>();
        questions.forEach(question -> ids.add(question.id()));
        return ids;
    }

    private static void requireSteps(AnswerRow row, Plan plan) {
        if (row.texts().size() != plan.depth()) {
            throw new InputException(row.where() + ": has " + row.texts().size() + " texts, expected " + plan.depth()
                    + ": one for each step of the method, "
                    + String.join(", ", plan.steps().stream().map(Plan.PlannedStep::name).toList()));
        }
    }

    private static List<Answer> ordered(List<AnswerRow> rows, String id, int most) {
        List<AnswerRow> sorted = rows.stream().sorted(
                Comparator.comparingInt(AnswerRow::sample).thenComparingInt(AnswerRow::choice)).toList();
        Map<List<Integer>, AnswerRow> seen = new HashMap<>();
        for (AnswerRow row : sorted) {
            AnswerRow same = row.sample() < 0 ? null : seen.putIfAbsent(List.of(row.sample(), row.choice()), row);
            if (same != null) {
                throw new InputException(row.where() + ": sample " + row.sample() + " of question " + id
                        + " is also in " + same.where() + ", expected each sample once");
            }
        }
        if (sorted.size() > most) {
            throw new InputException(sorted.get(most).where() + ": question " + id + " has " + sorted.size()
                    + " answers, expected at most the number of samples, " + most);
        }
        return sorted.stream().map(row -> new Answer(row.texts(), row.tokens(), row.finish())).toList();
    }

    /**
     * Writes the answers as a file of samples. A question without answers gets one answer with empty texts, so that the
     * ledger lists the question.
     *
     * @param count counts the tokens of a text, if the file does not state their number
     */
    public void write(Path target, List<Example> pool, Plan plan, ToIntFunction<String> count) {
        DurableFile.write(target, out -> {
            for (Example question : pool) {
                List<Answer> own = answers.getOrDefault(question.id(), List.of(missing(plan)));
                for (int number = 0; number < own.size(); number++) {
                    Answer answer = own.get(number);
                    SampleKey key = new SampleKey(question.id(), "").child(number);
                    for (int step = 0; step < answer.texts().size(); step++) {
                        String text = answer.texts().get(step);
                        int tokens = answer.tokens() == null ? count.applyAsInt(text) : answer.tokens().get(step);
                        boolean last = step == answer.texts().size() - 1;
                        JsonLines.write(out, new SampleRecord(question.id(), key.path(),
                                plan.steps().get(step).name(), text, tokens,
                                last || answer.finish() == Finish.MISSING ? answer.finish() : Finish.STOP));
                        key = key.child(0);
                    }
                }
            }
        });
    }

    private static Answer missing(Plan plan) {
        return new Answer(plan.steps().stream().map(step -> "").toList(), plan.steps().stream().map(step -> 0)
                .toList(), Finish.MISSING);
    }
}
