package org.ingrain.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.files.Digest;

/**
 * A model that answers questions about last letters and coin flips. An answer is a function of the request. The
 * probability of a right answer depends on the adapter and on the prompt. Threads take requests in a random order.
 *
 * @param direct  probability of a right answer to the original question without an adapter
 * @param rephrased probability of a right answer to a rephrased question
 * @param taught  probability of a right answer with an adapter
 * @param threads number of threads that answer requests
 * @param tick    called before each completion; may throw
 */
record FakeModel(double direct, double rephrased, double taught, int threads, Runnable tick) implements Answerer {
    private static final Pattern WORDS = Pattern.compile("\"([^\"]+)\"");
    private static final Pattern REPHRASED = Pattern.compile("^In other words: ");

    static FakeModel with(int threads) {
        return new FakeModel(0.3, 0.8, 0.95, threads, () -> { });
    }

    FakeModel ticking(Runnable each) {
        return new FakeModel(direct, rephrased, taught, threads, each);
    }

    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        answer(first, done, threads, request -> {
            tick.run();
            return completion(request);
        });
    }

    @Override
    public SortedMap<String, Long> fallbacks() {
        return new TreeMap<>(Map.of("matmul of (64, 8) by (8, 8): a fake", 2L));
    }

    @Override
    public SortedSet<String> generators() {
        return new TreeSet<>(Set.of("a fake of any size"));
    }

    /**
     * Starts threads that take requests in a random order. Each answer is the result of {@code says}, which may throw
     * an exception.
     */
    static void answer(List<TextRequest> first, Function<TextCompletion, Next> done, int threads,
            Function<TextRequest, TextCompletion> says) {
        List<TextRequest> waiting = new ArrayList<>(first);
        Collections.shuffle(waiting, new Random());
        AtomicInteger open = new AtomicInteger(waiting.size());
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Runnable work = () -> {
            while (failure.get() == null && open.get() > 0) {
                TextRequest next;
                synchronized (waiting) {
                    next = waiting.isEmpty() ? null : waiting.removeLast();
                }
                if (next == null) {
                    Thread.onSpinWait();
                    continue;
                }
                try {
                    Next follow = done.apply(says.apply(next));
                    synchronized (waiting) {
                        open.addAndGet(follow.requests().size());
                        waiting.addAll(follow.requests());
                        int before = waiting.size();
                        waiting.removeIf(request -> follow.cancelled().contains(request.key()));
                        open.addAndGet(waiting.size() - before);
                        Collections.shuffle(waiting, new Random());
                    }
                    open.decrementAndGet();
                } catch (RuntimeException | Error e) {
                    failure.compareAndSet(null, e);
                }
            }
        };
        List<Thread> all = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            all.add(Thread.ofPlatform().start(work));
        }
        for (Thread thread : all) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
        if (failure.get() instanceof Error e) {
            throw e;
        }
        if (failure.get() instanceof RuntimeException e) {
            throw e;
        }
    }

    private TextCompletion completion(TextRequest request) {
        String prompt = request.messages().getLast().content();
        String weights = switch (request.weights()) {
            case ModelState.Base() -> "base";
            case ModelState.Adapter(Path folder) -> Digest.file(folder.resolve("adapter.json"));
            case ModelState.Model(Path folder) -> Digest.file(folder.resolve("adapter.json"));
            case ModelState.Teacher() -> throw new IllegalStateException("the teacher is another model");
        };
        long hash = Digest.seed(request.params().seed(), prompt, weights, request.params().withSeed(0).toString(),
                request.params().temperature() == 0 ? "" : String.valueOf(request.sample()));
        Random random = new Random(hash);
        String text = prompt.contains("rephrase") ? "In other words: " + prompt.substring(0, prompt.indexOf('.') + 1)
                + tail(prompt)
                : answer(prompt, !weights.equals("base") ? taught : REPHRASED.matcher(prompt).find()
                        ? rephrased : direct, random);
        return new TextCompletion(request.key(), text, text.length() / 4 + 1, Finish.STOP);
    }

    /** Returns the part of a coin question that a rephrasing keeps: the text after the first sentence. */
    private static String tail(String prompt) {
        int end = prompt.indexOf("still heads up?");
        return end < 0 ? "" : prompt.substring(prompt.indexOf('.') + 1, end + "still heads up?".length());
    }

    private static String answer(String prompt, double probability, Random random) {
        boolean right = random.nextDouble() < probability;
        if (prompt.contains("coin")) {
            long flips = Pattern.compile("\\bflips the coin").matcher(prompt).results().count();
            return (flips % 2 == 0) == right ? "Yes, it is." : "No. It is not heads up.";
        }
        Matcher words = WORDS.matcher(prompt);
        StringBuilder letters = new StringBuilder();
        if (words.find()) {
            for (String word : words.group(1).split(" ")) {
                letters.append(Character.toLowerCase(word.charAt(word.length() - 1)));
            }
        }
        if (!right) {
            letters.setCharAt(0, (char) ('a' + random.nextInt(3)));
        }
        return "The answer is \"" + letters + "\".";
    }
}
