package org.ingrain.spark;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeSet;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.distill.model.Finish;
import org.ingrain.engine.Engine;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.files.Digest;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Request;
import org.ingrain.tensor.InputException;

/** An engine that answers the partitions of several tasks at the same time. All requests share one batch. */
final class PartitionEngine implements AutoCloseable {
    private static final long POLL_MILLIS = 100;

    private final Engine engine;
    private final SharedGenerator generator;
    /** For each adapter's folder: the hashes of its files at the first use. */
    private final Map<String, SortedMap<String, String>> adapters = new HashMap<>();
    /** Folder of the loaded adapter, or null. {@code slot} is its slot, and {@code users} the number of its tasks. */
    private String adapter;
    private int slot;
    private int users;

    /**
     * @throws InputException if a setting or file that affects the generated texts differs between this machine and the
     *                        driver
     */
    PartitionEngine(EngineSetup setup, Place place) {
        engine = Engine.open(place.options(setup.options()));
        try {
            requireSame("", setup.fingerprint(), engine.modelFingerprint());
            generator = new SharedGenerator(engine, setup.sizes(), setup.adapters());
        } catch (RuntimeException e) {
            engine.close();
            throw e;
        }
    }

    /** Whether the generator has failed. Then this engine cannot answer any more. */
    boolean hasFailed() {
        return generator.failure().isPresent();
    }

    /** Number of calls of each fallback kernel since the engine was opened. */
    SortedMap<String, Long> fallbacks() {
        return generator.fallbacks();
    }

    /**
     * Answers a partition. Returns the texts in the order of the requests.
     *
     * @param killed returns whether Spark has killed the task
     * @throws CancellationException if Spark has killed or interrupted the task
     * @throws InputException        if the files of the adapter differ from the driver's files
     */
    List<Partition.Text> answer(Partition partition, BooleanSupplier killed) {
        int at = partition.adapter() == null ? -1 : acquire(partition, killed);
        try {
            Answer answer = new Answer(partition);
            try {
                answer.submit(at);
            } finally {
                answer.await(killed);
            }
            return answer.texts();
        } finally {
            if (at >= 0) {
                release();
            }
        }
    }

    /**
     * Returns the slot of a partition's adapter. If another adapter is loaded, waits until no task uses that adapter,
     * and then replaces it.
     */
    private synchronized int acquire(Partition partition, BooleanSupplier killed) {
        requireAdapter(partition);
        try {
            while (users > 0 && !partition.adapter().equals(adapter)) {
                if (killed.getAsBoolean()) {
                    throw new CancellationException("the task was killed");
                }
                wait(POLL_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("the task was interrupted");
        }
        if (!partition.adapter().equals(adapter)) {
            if (adapter != null) {
                generator.unloadAdapter(slot);
                adapter = null;
            }
            slot = generator.loadAdapter(Path.of(partition.adapter()));
            adapter = partition.adapter();
        }
        users++;
        return slot;
    }

    private synchronized void release() {
        users--;
        notifyAll();
    }

    /** Requires that the adapter's files, as they were at the first use, equal the driver's files. */
    private void requireAdapter(Partition partition) {
        Path folder = Path.of(partition.adapter());
        if (!adapters.containsKey(partition.adapter())) {
            if (!Files.isDirectory(folder)) {
                throw new InputException(folder + ": no such folder, expected the driver's adapter: use a folder that"
                        + " all machines share");
            }
            adapters.put(partition.adapter(), Digest.model(folder));
        }
        requireSame(folder + ": ", partition.files(), adapters.get(partition.adapter()));
    }

    /** Requires that all values on which a result depends equal the driver's values. */
    private static void requireSame(String prefix, SortedMap<String, String> driver, SortedMap<String, String> here) {
        TreeSet<String> names = new TreeSet<>(driver.keySet());
        names.addAll(here.keySet());
        for (String name : names) {
            String expected = driver.getOrDefault(name, "none");
            String found = here.getOrDefault(name, "none");
            if (!found.equals(expected)) {
                throw new InputException(prefix + name + " is " + found + ", expected " + expected
                        + " as on the driver");
            }
        }
    }

    private synchronized int[] encode(Partition.Prompt prompt) {
        return engine.encode(prompt.messages());
    }

    @Override
    public void close() {
        generator.close();
        engine.close();
    }

    /** A submitted prompt. {@code left} counts the samples that are neither finished nor cancelled. */
    private record Pending(SharedGenerator.Job job, CountDownLatch left) {
    }

    /** The state of one call of {@link PartitionEngine#answer}. */
    private final class Answer {
        private final Partition partition;
        private final Partition.Text[] texts;
        private final List<Pending> pending = new ArrayList<>();
        private volatile RuntimeException failure;

        Answer(Partition partition) {
            this.partition = partition;
            texts = new Partition.Text[partition.prompts().stream().mapToInt(Partition.Prompt::samples).sum()];
        }

        void submit(int at) {
            int first = 0;
            for (Partition.Prompt prompt : partition.prompts()) {
                int[] ids = encode(prompt);
                if (ids.length >= generator.config().contextLength()) {
                    Arrays.fill(texts, first, first + prompt.samples(),
                            new Partition.Text("", 0, Finish.PROMPT_TOO_LONG));
                } else {
                    CountDownLatch left = new CountDownLatch(prompt.samples());
                    pending.add(new Pending(generator.submit(new Request(ids, prompt.samples(), prompt.firstSample(),
                            prompt.params(), at, false), listener(first - prompt.firstSample(), left)), left));
                }
                first += prompt.samples();
            }
        }

        /** @param offset the index in {@link #texts} of the prompt's sample number 0 */
        private GenerationListener listener(int offset, CountDownLatch left) {
            return new GenerationListener() {
                @Override
                public void finished(Completion completion) {
                    texts[offset + completion.sample()] = new Partition.Text(completion.text(),
                            completion.ids().length,
                            completion.reason() == FinishReason.STOP ? Finish.STOP : Finish.LENGTH);
                    left.countDown();
                }

                @Override
                public void failed(int sample, RuntimeException cause) {
                    failure = cause;
                    left.countDown();
                }
            };
        }

        /** Waits until all samples are finished or cancelled. Until then, the samples may use the adapter's slot. */
        void await(BooleanSupplier killed) {
            boolean interrupted = false;
            boolean cancelled = false;
            for (Pending samples : pending) {
                while (samples.left().getCount() > 0) {
                    try {
                        samples.left().await(POLL_MILLIS, TimeUnit.MILLISECONDS);
                    } catch (InterruptedException e) {
                        interrupted = true;
                    }
                    if (!cancelled && (interrupted || killed.getAsBoolean())) {
                        cancelled = true;
                        pending.forEach(all -> all.job().cancel());
                    }
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            if (cancelled) {
                throw new CancellationException("the task was killed");
            }
        }

        List<Partition.Text> texts() {
            if (failure instanceof InputException refused) {
                throw refused;
            }
            if (failure != null) {
                throw new IllegalStateException("the engine failed: " + failure, failure);
            }
            return List.of(texts);
        }
    }
}
