package org.ingrain.distill.sample;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.task.Example;
import org.ingrain.tensor.InputException;

/**
 * One use of a method on many examples, as a stage: every completion is on disk as soon as it exists, and when all do, they become
 * one file, sorted by example and sample. What that file holds depends on the plan and the examples only: not on the order in which
 * completions ended, nor on how often the process was killed on the way.
 */
public final class Sampling {
    private final Plan plan;
    private final Map<String, Example> examples = new HashMap<>();
    private final List<Example> order;
    private final Answerer answerer;

    public Sampling(Plan plan, List<Example> examples, Answerer answerer) {
        this.plan = plan;
        this.order = List.copyOf(examples);
        this.answerer = answerer;
        examples.forEach(example -> this.examples.put(example.id(), example));
    }

    /** Makes {@code target}, or what of it is missing; a target that is there is left as it is. */
    public void run(Path target, Stopwatch watch) {
        Path logFile = target.resolveSibling(target.getFileName() + ".log");
        if (!Files.exists(target)) {
            try (SampleLog log = SampleLog.open(logFile)) {
                new Walk(log, watch).finish();
                AtomicFile.write(target, out -> {
                    for (Example example : order) {
                        log.copy(plan.keys(example.id()), out);
                    }
                });
            }
            watch.stop();
        }
        AtomicFile.delete(logFile);
    }

    /** The way through the trees of all examples. */
    private final class Walk {
        private final SampleLog log;
        private final Stopwatch watch;
        private final long total = Math.multiplyExact(plan.completions(), order.size());

        Walk(SampleLog log, Stopwatch watch) {
            this.log = log;
            this.watch = watch;
        }

        void finish() {
            List<Request> missing = new ArrayList<>();
            for (Example example : order) {
                askFor(new Key(example.id(), ""), List.of(), missing);
            }
            watch.at(log.size(), total, 0);
            if (!missing.isEmpty()) {
                answerer.answer(missing, this::done);
            }
            if (log.size() != total) {
                throw new IllegalStateException("the answerer came back with " + log.size() + " of " + total + " completions");
            }
        }

        private synchronized List<Request> done(Completion completion) {
            Key key = completion.key();
            if (log.contains(key)) {
                throw new IllegalStateException("answered twice: " + key);
            }
            if (completion.finish() == Finish.PROMPT_TOO_LONG && key.depth() == 0) {
                throw new InputException("example " + key.id() + ": the prompt does not fit into the model's context");
            }
            Sample sample = new Sample(key.id(), key.path(), plan.steps().get(key.depth()).name(), completion.text(),
                    completion.tokens(), completion.finish());
            log.append(sample);
            List<Request> follow = new ArrayList<>();
            follow(sample, follow);
            watch.at(log.size(), total, sample.tokens());
            return follow;
        }

        /** Collects what is missing below {@code parent}. */
        private void askFor(Key parent, List<String> texts, List<Request> missing) {
            Example example = examples.get(parent.id());
            for (int i = 0; i < plan.steps().get(texts.size()).samples(); i++) {
                Key key = parent.child(i);
                if (log.contains(key)) {
                    if (!plan.isLeaf(key)) {
                        follow(log.read(key), missing);
                    }
                    continue;
                }
                Request request = plan.request(key, example, texts);
                if (request.messages().getLast().content().isBlank()) {
                    skip(key, Finish.BLANK_PROMPT, missing);
                } else {
                    missing.add(request);
                }
            }
        }

        private void follow(Sample sample, List<Request> missing) {
            Key key = sample.key();
            if (plan.isLeaf(key)) {
                return;
            }
            if (sample.finish() == Finish.PROMPT_TOO_LONG || sample.finish() == Finish.BLANK_PROMPT) {
                for (int i = 0; i < plan.steps().get(key.depth() + 1).samples(); i++) {
                    if (!log.contains(key.child(i))) {
                        skip(key.child(i), sample.finish(), missing);
                    }
                }
            } else {
                askFor(key, textsTo(sample), missing);
            }
        }

        /** Writes down that a completion cannot be had, and what would have followed from it cannot either. */
        private void skip(Key key, Finish why, List<Request> missing) {
            Sample nothing = new Sample(key.id(), key.path(), plan.steps().get(key.depth()).name(), "", 0, why);
            log.append(nothing);
            follow(nothing, missing);
        }

        private List<String> textsTo(Sample sample) {
            List<String> texts = new ArrayList<>();
            texts.add(sample.text());
            for (Key key = sample.key().parent(); !key.path().isEmpty(); key = key.parent()) {
                texts.addFirst(log.read(key).text());
            }
            return texts;
        }
    }
}
