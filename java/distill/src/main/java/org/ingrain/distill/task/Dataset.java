package org.ingrain.distill.task;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.files.DurableFile;
import org.ingrain.tensor.InputException;

/**
 * The questions of a run. No question is in both {@code pool} and {@code test}. If a variant of a question is in one of
 * the two lists, no variant of this question is in the other list.
 *
 * @param pool    questions to distil on; their gold answers, if known, are used only for reports and forecasts
 * @param test    held-out questions for the evaluation, each with a gold answer; may be empty
 * @param dropped number of questions that were removed from the pool because {@code test} contains them or variants of
 *                them
 */
public record Dataset(List<Example> pool, List<Example> test, int dropped) {
    /** Reads or generates the questions and divides them into pool and test questions. */
    public static Dataset load(QuestionConfig config) {
        Task task = config.makeTask();
        List<Example> all = config.data() == null ? generate(config, task) : QuestionReader.read(
                config.data(), task, config, config.limit());
        List<Example> test = config.testData().isEmpty() ? holdOut(all, config) : readTests(config, task);
        Set<String> held = test.stream().flatMap(example -> Stream.of(example.question(), example.group()))
                .filter(Objects::nonNull)
                .collect(Collectors.toSet());
        Set<String> ids = test.stream().map(Example::id).collect(Collectors.toSet());
        List<Example> rest = config.testData().isEmpty()
                ? all.stream().filter(example -> !ids.contains(example.id())).toList() : all;
        List<Example> pool = rest.stream().filter(example -> !held.contains(example.question())
                && !held.contains(example.group())).toList();
        if (pool.isEmpty()) {
            String found = config.data() == null ? String.valueOf(config.generate()) : config.data().toString();
            throw InputException.field(config.data() == null ? "generate" : "data", found
                    + ": no question to distil on, because " + test.size() + " are held out for the evaluation");
        }
        return new Dataset(pool, test, rest.size() - pool.size());
    }

    /**
     * Reads or generates the questions of an evaluation without distillation. Every question must have a gold answer.
     */
    public static List<Example> loadTest(QuestionConfig config) {
        Task task = config.makeTask();
        List<Example> all = config.data() == null ? generate(config, task) : QuestionReader.read(
                config.data(), task, config, config.limit());
        return requireGold(config.data(), all);
    }

    /** Reads all test files. If there are several files, the id of a question contains the name of its file. */
    private static List<Example> readTests(QuestionConfig config, Task task) {
        List<Example> test = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Path file : config.testData()) {
            List<Example> own = requireGold(file, QuestionReader.read(file, task, config, config.testSize()));
            String name = file.getFileName().toString().replaceFirst("\\.gz$", "").replaceFirst("\\.[^.]+$", "");
            if (!names.add(name)) {
                throw InputException.field("testData", "two files are named " + name + ", expected different names");
            }
            test.addAll(config.testData().size() == 1 ? own : own.stream().map(example -> example.in(name)).toList());
        }
        return test;
    }

    private static List<Example> requireGold(Path file, List<Example> test) {
        for (Example example : test) {
            if (example.gold() == null) {
                throw new InputException(file + ": row " + example.id()
                        + " has no answer, expected one in every question of the evaluation");
            }
        }
        return test;
    }

    private static List<Example> holdOut(List<Example> all, QuestionConfig config) {
        boolean known = all.stream().allMatch(example -> example.gold() != null);
        int size = config.testSize() > 0 || !known ? config.testSize() : all.size() / 5;
        if (size >= all.size()) {
            throw InputException.field("testSize", size + ", expected less than the number of questions, "
                    + all.size());
        }
        Map<String, List<Integer>> variants = new LinkedHashMap<>();
        for (int i = 0; i < all.size(); i++) {
            String group = all.get(i).group() == null ? all.get(i).id() : all.get(i).group();
            variants.computeIfAbsent(group, none -> new ArrayList<>()).add(i);
        }
        List<List<Integer>> groups = new ArrayList<>(variants.values());
        Collections.shuffle(groups, new Random(config.splitSeed()));
        List<List<Integer>> held = nearest(groups, size, all.size());
        if (held.isEmpty() && size > 0) {
            throw InputException.field("testSize", size + ", but the " + all.size() + " questions of " + config.data()
                    + " are variants of one question, and variants can only be held out together");
        }
        return requireGold(config.data(), held.stream().flatMap(List::stream).sorted().map(all::get).toList());
    }

    /**
     * Selects groups with {@code size} members in total, preferably early groups. If no selection has this total, the
     * nearest possible total is used; of two equally near totals, the larger one. The selection never contains all
     * groups.
     */
    private static List<List<Integer>> nearest(List<List<Integer>> groups, int size, int all) {
        int members = 0;
        int count = 0;
        while (members < size) {
            members += groups.get(count++).size();
        }
        if (members == size) {
            return groups.subList(0, count);
        }
        int largest = groups.stream().mapToInt(List::size).max().orElse(1);
        // last[n] is the smallest g such that some selection from the groups 0 to g has n members in total; -1 if there
        // is none. This selection then contains group g.
        int[] last = new int[Math.min(size + largest, all)];
        Arrays.fill(last, -1);
        for (int group = 0; group < groups.size() && last[size] < 0; group++) {
            int own = groups.get(group).size();
            for (int n = last.length - 1; n >= own; n--) {
                if (last[n] < 0 && (n == own || last[n - own] >= 0)) {
                    last[n] = group;
                }
            }
        }
        int best = IntStream.range(1, last.length).filter(n -> last[n] >= 0).boxed()
                .min(Comparator.comparingInt((Integer n) -> Math.abs(n - size))
                .thenComparing(Comparator.reverseOrder())).orElse(0);
        List<List<Integer>> taken = new ArrayList<>();
        for (int n = best; n > 0; n -= taken.getLast().size()) {
            taken.add(groups.get(last[n]));
        }
        return taken;
    }

    private static List<Example> generate(QuestionConfig config, Task task) {
        List<String> names = new ArrayList<>(names(config));
        Random random = new Random(config.splitSeed());
        Set<String> questions = new HashSet<>();
        List<Example> examples = new ArrayList<>();
        int repeated = 0;
        while (examples.size() < config.generate()) {
            Example example = task.generate(QuestionReader.id(examples.size() + 1), names, random);
            if (questions.add(example.question())) {
                examples.add(QuestionReader.inContext(example, task, config));
                repeated = 0;
            } else if (++repeated > 10_000) {
                throw InputException.field("generate", config.generate() + ", but " + names.size()
                        + " names give about "
                        + examples.size() + " different questions");
            }
        }
        return examples;
    }

    private static List<String> names(QuestionConfig config) {
        String text = config.names() == null ? ownNames("names")
                + ownNames("further-names") : DurableFile.read(config.names());
        List<String> names = text.lines().map(String::strip).filter(name -> !name.isEmpty()).distinct().toList();
        if (names.isEmpty()) {
            throw new InputException(config.names() + ": empty, expected one name per line");
        }
        return names;
    }

    private static String ownNames(String list) {
        try (InputStream in = Dataset.class.getResourceAsStream("/org/ingrain/distill/" + list + ".txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
