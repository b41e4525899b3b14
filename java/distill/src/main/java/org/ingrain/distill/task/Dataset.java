package org.ingrain.distill.task;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.tensor.InputException;

/**
 * The questions of a run. No question is in both parts.
 *
 * @param pool    to distil on; their gold answers, where there are any, are looked at by the report only
 * @param test    held out for the evaluation, each with its gold answer; may be empty
 * @param dropped questions that were left out of the pool because the test has them too
 */
public record Dataset(List<Example> pool, List<Example> test, int dropped) {
    /** Reads or generates the questions and parts them. */
    public static Dataset load(DataConfig config) {
        Task task = config.makeTask();
        List<Example> all = config.data() == null ? generate(config, task) : Rows.read(config.data(), task, config, config.limit());
        List<Example> test = config.testData() == null ? holdOut(all, config)
                : Rows.read(config.testData(), task, config, config.testSize());
        for (Example example : test) {
            if (example.gold() == null) {
                throw new InputException((config.testData() == null ? config.data() : config.testData()) + ": row " + example.id()
                        + " has no answer, expected one in every question of the evaluation");
            }
        }
        Set<String> held = test.stream().map(Example::question).collect(Collectors.toSet());
        Set<String> ids = test.stream().map(Example::id).collect(Collectors.toSet());
        List<Example> rest = config.testData() == null ? all.stream().filter(example -> !ids.contains(example.id())).toList() : all;
        List<Example> pool = rest.stream().filter(example -> !held.contains(example.question())).toList();
        if (pool.isEmpty()) {
            throw new InputException((config.data() == null ? "--generate" : config.data().toString())
                    + ": no question is left to distil on once " + test.size() + " are held out for the evaluation");
        }
        return new Dataset(pool, test, rest.size() - pool.size());
    }

    /** Only questions to evaluate on: every row, the first {@code limit}. */
    public static List<Example> loadTest(DataConfig config) {
        Task task = config.makeTask();
        List<Example> all = config.data() == null ? generate(config, task) : Rows.read(config.data(), task, config, config.limit());
        for (Example example : all) {
            if (example.gold() == null) {
                throw new InputException(config.data() + ": row " + example.id()
                        + " has no answer, expected one in every question of the evaluation");
            }
        }
        return all;
    }

    private static List<Example> holdOut(List<Example> all, DataConfig config) {
        boolean known = all.stream().allMatch(example -> example.gold() != null);
        int size = config.testSize() > 0 || !known ? config.testSize() : all.size() / 5;
        if (size >= all.size()) {
            throw new InputException("--test-size: " + size + ", expected less than the " + all.size() + " questions there are");
        }
        List<Integer> places = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            places.add(i);
        }
        Collections.shuffle(places, new Random(config.splitSeed()));
        return places.subList(0, size).stream().sorted().map(all::get).toList();
    }

    private static List<Example> generate(DataConfig config, Task task) {
        List<String> names = names(config);
        Random random = new Random(config.splitSeed());
        Set<String> questions = new HashSet<>();
        List<Example> examples = new ArrayList<>();
        int vain = 0;
        while (examples.size() < config.generate()) {
            Example example = task.generate("%06d".formatted(examples.size() + 1), names, random);
            if (questions.add(example.question())) {
                examples.add(example);
                vain = 0;
            } else if (++vain > 10_000) {
                throw new InputException("--generate: " + config.generate() + ", but " + names.size() + " names give about "
                        + examples.size() + " different questions");
            }
        }
        return examples;
    }

    private static List<String> names(DataConfig config) {
        String text = config.names() == null ? ownNames() : AtomicFile.read(config.names());
        List<String> names = text.lines().map(String::strip).filter(name -> !name.isEmpty()).distinct().toList();
        if (names.isEmpty()) {
            throw new InputException(config.names() + ": empty, expected one name a line");
        }
        return names;
    }

    private static String ownNames() {
        try (InputStream in = Dataset.class.getResourceAsStream("/org/ingrain/distill/names.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
