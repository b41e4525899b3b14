package org.ingrain.distill.report.table;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.distill.evaluate.Paired;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.tensor.InputException;

/**
 * Several finished runs side by side.
 *
 * @param runs     names of the runs
 * @param rows     results of the arms; the rows of one arm are adjacent, in the order of the runs
 * @param tests    paired tests of the students of each pair of runs, for each seed that both runs have
 * @param costs    seconds and generated tokens of each run, by the kind of stage
 * @param settings the settings that differ, each with its value in each run; null if a run has no such setting
 */
public record Comparison(List<String> runs, List<Row> rows, List<Test> tests,
        Map<String, Map<String, ComparedRun.Cost>> costs, Map<String, List<String>> settings) {
    private static final List<String> KINDS = List.of("sample", "select", "curate", "train", "evaluate");
    private static final int LONGEST_VALUE = 60;

    /**
     * The result of an arm of a run.
     *
     * @param seeds    number of seeds. With one seed, the interval is Wilson's interval over the questions. With
     *                 several seeds, the accuracy is the mean over the seeds, and the interval is Student's interval
     *                 over the seeds
     * @param accuracy share of right answers, 0 to 1
     * @param tokens   mean number of generated tokens per question
     */
    public record Row(String run, String arm, String title, int seeds, double accuracy, double low, double high,
            double tokens) {
    }

    /**
     * McNemar's exact test of two students on the same questions.
     *
     * @param seed   folder of the seed; empty if the runs do not have several seeds
     * @param gained number of questions on which the second student is better; null if the questions differ
     * @param lost   number of questions on which the second student is worse; null if the questions differ
     * @param p      two-sided p-value; null if the questions differ
     */
    public record Test(String first, String second, @JsonInclude(JsonInclude.Include.NON_EMPTY) String seed, String arm,
            Integer gained, Integer lost, Double p) {
        /** @param scores the scores of both students */
        static Test of(String first, String second, String seed, String arm, List<List<Score>> scores) {
            if (!asked(scores.getFirst()).equals(asked(scores.getLast()))) {
                return new Test(first, second, seed, arm, null, null, null);
            }
            Paired paired = Paired.of(scores.getFirst(), scores.getLast());
            return new Test(first, second, seed, arm, paired.gained(), paired.lost(), paired.p());
        }

        private static Set<List<String>> asked(List<Score> scores) {
            return scores.stream().map(score -> List.of(score.id(), score.question(), score.gold()))
                    .collect(Collectors.toSet());
        }

        private String line() {
            String pair = second + " against " + first + (seed.isEmpty() ? "" : ", " + seed) + ", " + arm + ": ";
            return p == null ? pair + "no test, because the test questions differ"
                    : pair + gained + " better, " + lost + " worse, " + Figures.p(p);
        }
    }

    /**
     * Reads the runs.
     *
     * @param folders run folders, or folders of the runs of several seeds; at least two
     * @throws InputException if a folder has no finished run
     */
    public static Comparison of(List<Path> folders) {
        if (folders.size() < 2) {
            throw new InputException(folders.size() + " run, expected two or more");
        }
        List<ComparedRun> runs = new ArrayList<>();
        folders.forEach(folder -> runs.add(ComparedRun.read(folder, name(folder, folders))));
        Map<String, List<Row>> byArm = new LinkedHashMap<>();
        runs.forEach(run -> run.rows().forEach(row -> byArm.computeIfAbsent(row.arm(), arm -> new ArrayList<>())
                .add(row)));
        List<Test> tests = new ArrayList<>();
        for (int i = 0; i < runs.size(); i++) {
            for (ComparedRun other : runs.subList(i + 1, runs.size())) {
                tests.addAll(runs.get(i).tests(other));
            }
        }
        Map<String, Map<String, ComparedRun.Cost>> costs = new LinkedHashMap<>();
        runs.forEach(run -> costs.put(run.name(), run.costs()));
        return new Comparison(runs.stream().map(ComparedRun::name).toList(),
                byArm.values().stream().flatMap(Collection::stream).toList(), tests, costs, settings(runs));
    }

    /** The last part of the path if no other folder has the same last part; else the whole path. */
    private static String name(Path folder, List<Path> folders) {
        Path last = folder.normalize().getFileName();
        boolean unique = folders.stream().filter(other -> Objects.equals(other.normalize().getFileName(), last))
                .count() == 1;
        return unique && last != null ? last.toString() : folder.toString();
    }

    private static Map<String, List<String>> settings(List<ComparedRun> runs) {
        List<Map<String, String>> all = runs.stream().map(ComparedRun::settings).toList();
        Set<String> names = all.stream().flatMap(own -> own.keySet().stream())
                .collect(Collectors.toCollection(LinkedHashSet::new));
        Map<String, List<String>> different = new LinkedHashMap<>();
        for (String name : names) {
            List<String> values = new ArrayList<>();
            all.forEach(own -> values.add(own.get(name)));
            if (values.stream().distinct().count() > 1) {
                different.put(name, values);
            }
        }
        return different;
    }

    public Table arms() {
        return new Table(List.of("arm", "run", "accuracy %", "95 % interval", "#Tokens", "seeds"), rows.stream()
                .map(row -> List.of(row.title, row.run, Figures.percent(row.accuracy),
                        Figures.percent(row.low) + " - " + Figures.percent(row.high), Figures.tokens(row.tokens),
                        String.valueOf(row.seeds))).toList());
    }

    /** The seconds and the generated tokens of the stages. */
    public Table costs(String title) {
        List<String> kinds = KINDS.stream()
                .filter(kind -> costs.values().stream().anyMatch(own -> own.containsKey(kind))).toList();
        List<String> head = new ArrayList<>(List.of(title));
        kinds.forEach(kind -> head.add(kind + " s"));
        head.addAll(List.of("all s", "generated tokens"));
        return new Table(head, runs.stream().map(run -> {
            List<String> row = new ArrayList<>(List.of(run));
            kinds.forEach(kind -> row.add(seconds(costs.get(run).getOrDefault(kind, ComparedRun.Cost.NONE))));
            ComparedRun.Cost all = costs.get(run).values().stream().reduce(ComparedRun.Cost.NONE,
                    ComparedRun.Cost::plus);
            row.addAll(List.of(seconds(all), Figures.count(all.tokens())));
            return List.copyOf(row);
        }).toList());
    }

    /** The settings that differ, with one column for each run. */
    public Table differences() {
        return new Table(Stream.concat(Stream.of("setting"), runs.stream()).toList(), settings.entrySet().stream()
                .map(setting -> Stream.concat(Stream.of(setting.getKey()), setting.getValue().stream()
                        .map(value -> value == null ? "-" : shortened(value))).toList()).toList());
    }

    /** One line for each paired test. */
    public List<String> testLines() {
        return tests.isEmpty() ? List.of("no paired test: no two runs have a student of the same name and seed")
                : tests.stream().map(Test::line).toList();
    }

    public String text() {
        return arms().text() + "\nPaired tests of the students (McNemar's exact test), number of better and worse "
                + "questions:\n"
                + testLines().stream().map(line -> "  " + line + "\n").collect(Collectors.joining())
                + "\n" + costs("run").text() + "\n"
                + (settings.isEmpty() ? "all settings are equal\n" : differences().text());
    }

    private static String seconds(ComparedRun.Cost cost) {
        return String.format(Locale.ROOT, "%,.1f", cost.seconds());
    }

    private static String shortened(String value) {
        return value.length() <= LONGEST_VALUE ? value : value.substring(0, LONGEST_VALUE) + "...";
    }
}
