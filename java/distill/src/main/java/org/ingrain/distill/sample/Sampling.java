package org.ingrain.distill.sample;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.task.Example;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLines;

/**
 * Samples a method on many examples. Each completion is appended to a log as soon as it is finished. At the end the
 * completions of all recorded answers are written to one file, sorted by example and sample. The content of this file
 * depends only on the plan, the examples and the stopping rule. It does not depend on the order in which completions
 * finish, or on interruptions.
 */
public final class Sampling {
    private final Plan plan;
    private final Stopping stopping;
    private final List<Example> examples;
    private final Answerer answerer;

    /** @param examples all questions; the examples of a question in its orders are adjacent, the given order first */
    public Sampling(Plan plan, Stopping stopping, List<Example> examples, Answerer answerer) {
        this.plan = plan;
        this.stopping = stopping;
        this.examples = List.copyOf(examples);
        this.answerer = answerer;
    }

    /**
     * Samples all examples and writes {@code target}. If an earlier call was interrupted, this call resumes from the
     * log of that call. If {@code target} exists, it is not changed.
     */
    public void run(Path target, Stopwatch watch) {
        Path logFile = log(target);
        if (!Files.exists(target)) {
            try (SampleLog log = SampleLog.open(logFile)) {
                Walk walk = new Walk(log, watch);
                walk.finish();
                DurableFile.write(target, out -> {
                    for (ExampleTree tree : walk.trees.values()) {
                        log.copy(tree.recorded(), out);
                    }
                });
                watch.stop(walk.unused());
            }
        }
        DurableFile.delete(logFile);
    }

    /**
     * Fills the log of a sampling with texts that another run has drawn for equal requests. Does nothing if the
     * sampling has already begun. Later, {@link #run} copies only the needed texts to {@code target}.
     *
     * @param source file with the other run's texts
     * @param ids    ids of the examples whose texts are copied to the log
     * @return number of copied texts
     */
    public static int begin(Path target, Path source, Set<String> ids) {
        Path logFile = log(target);
        if (Files.exists(target) || Files.exists(logFile)) {
            return 0;
        }
        int[] taken = new int[1];
        DurableFile.write(logFile, out -> {
            try (JsonLines<SampleRecord> lines = JsonLines.open(source, SampleRecord.class)) {
                for (SampleRecord text = lines.next(); text != null; text = lines.next()) {
                    if (ids.contains(text.id())) {
                        JsonLines.write(out, text);
                        taken[0]++;
                    }
                }
            }
        });
        return taken[0];
    }

    private static Path log(Path target) {
        return target.resolveSibling(target.getFileName() + ".log");
    }

    /** The state of one call of {@link #run}. */
    private final class Walk {
        private final SampleLog log;
        private final Stopwatch watch;
        private final Map<String, ExampleTree> trees = new LinkedHashMap<>();
        /** The trees of all presentation orders of a question, by the id of each of its examples. */
        private final Map<String, List<ExampleTree>> questions = new HashMap<>();
        private final long total = (long) plan.leaves() * examples.size();
        private long done;
        /** Number of tokens of texts that finished after their example was settled. */
        private long late;

        Walk(SampleLog log, Stopwatch watch) {
            this.log = log;
            this.watch = watch;
            for (int from = 0, until = 0; from < examples.size(); from = until) {
                until = from + 1;
                while (until < examples.size() && !examples.get(until).isAsGiven()) {
                    until++;
                }
                begin(examples.subList(from, until));
            }
        }

        private void begin(List<Example> orders) {
            List<? extends Stopping.Count> counts = stopping.begin(orders, plan);
            List<ExampleTree> question = new ArrayList<>();
            for (int i = 0; i < orders.size(); i++) {
                question.add(new ExampleTree(plan, orders.get(i), counts.get(i), log));
                trees.put(orders.get(i).id(), question.getLast());
                questions.put(orders.get(i).id(), question);
            }
        }

        void finish() {
            List<TextRequest> missing = new ArrayList<>();
            trees.values().forEach(tree -> missing.addAll(tree.advance()));
            if (!missing.isEmpty()) {
                watch.pause(answerer::open);
            }
            done = done(trees.values());
            watch.at(done, total, 0);
            if (!missing.isEmpty()) {
                answerer.answer(missing, this::done);
            }
            trees.values().stream().filter(tree -> !tree.settled()).findFirst().ifPresent(tree -> {
                throw new IllegalStateException("the answerer returned before " + tree + " was answered");
            });
        }

        private synchronized Answerer.Next done(TextCompletion completion) {
            ExampleTree tree = trees.get(completion.key().id());
            if (tree.settled()) {
                late += completion.tokens();
                watch.at(done, total, completion.tokens());
                return Answerer.Next.NOTHING;
            }
            List<ExampleTree> question = questions.get(completion.key().id());
            long before = done(question);
            tree.take(completion);
            List<TextRequest> follow = tree.advance();
            done += done(question) - before;
            watch.at(done, total, completion.tokens());
            return new Answerer.Next(follow,
                    question.stream().flatMap(order -> order.cancelUnneeded().stream()).toList());
        }

        /** Number of tokens of finished texts that are not written to the target. */
        long unused() {
            return late + log.tokens() - trees.values().stream().flatMap(tree -> tree.recorded().stream())
                    .mapToLong(log::tokens).sum();
        }

        private static long done(Collection<ExampleTree> some) {
            return some.stream().mapToLong(ExampleTree::done).sum();
        }
    }
}
