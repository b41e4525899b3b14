package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.ingrain.files.DurableFolder;
import org.ingrain.sample.Generator;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A cache of packed weights does not change the text. A stale or damaged cache file is replaced. */
class WeightsCacheTest {
    @TempDir
    private Path temp;
    private Path model;
    private Path cache;

    @BeforeEach
    void copyModel() throws IOException {
        model = Files.createDirectory(temp.resolve("model"));
        cache = temp.resolve("cache");
        for (Path file : DurableFolder.list(Path.of(System.getProperty("ingrain.root"), "models", "lab"))) {
            Files.copy(file, model.resolve(file.getFileName()));
        }
    }

    /** The generated ids, and the number of layers that were loaded from the model's files. */
    private record Run(List<Integer> ids, int layers) {
    }

    private Run run(ModelOptions options) {
        int[] layers = {0};
        Engine.Listener counting = new Engine.Listener() {
            @Override
            public void loaded(int loaded, int of) {
                layers[0] = loaded;
            }
        };
        try (Engine engine = Engine.open(options.withThreads(1), counting)) {
            Generator generator = engine.generator(engine.defaults());
            int[][] ids = new int[1][];
            generator.submit(new Request(engine.tokenizer().encodeBegin("Spell the word"), 1, 0,
                    SamplingParams.greedy(8), -1, false), completion -> ids[0] = completion.ids());
            while (generator.step()) {
                continue;
            }
            return new Run(Arrays.stream(ids[0]).boxed().toList(), layers[0]);
        }
    }

    private ModelOptions cached() {
        return ModelOptions.of(model).withWeightsCache(cache);
    }

    private Path onlyFile() throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            List<Path> all = files.toList();
            assertEquals(1, all.size(), all.toString());
            return all.getFirst();
        }
    }

    @Test
    void theSecondStartLoadsNothingAndGivesTheSameText() throws IOException {
        Run plain = run(ModelOptions.of(model));
        Run first = run(cached());
        Object file = Files.readAttributes(onlyFile(), "unix:ino").get("ino");
        Run second = run(cached());
        assertEquals(plain, first);
        assertEquals(new Run(plain.ids(), 0), second);
        assertEquals(file, Files.readAttributes(onlyFile(), "unix:ino").get("ino"));
    }

    @Test
    void aFileThatDoesNotFitIsReplaced() throws IOException {
        Run first = run(cached());
        Path file = onlyFile();
        Files.setLastModifiedTime(model.resolve("model.safetensors"), FileTime.fromMillis(0));
        assertEquals(first, run(cached()), "stale");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 1);
        }
        assertEquals(first, run(cached()), "truncated");
        byte[] damaged = Files.readAllBytes(file);
        damaged[2]++;
        Files.write(file, damaged);
        assertEquals(first, run(cached()), "another header");
        assertEquals(new Run(first.ids(), 0), run(cached()));
        onlyFile();
    }

    @Test
    void everyDtypeAndRankHasAFile() throws IOException {
        Run first = run(cached());
        assertEquals(first, run(cached().withParallel(new ParallelConfig(2, 1))));
        assertNotEquals(0, run(cached().withDtype("bf16")).layers());
        assertEquals(new Run(first.ids(), 0), run(cached().withParallel(new ParallelConfig(2, 1))));
        assertEquals(new Run(first.ids(), 0), run(cached()));
    }

    @Test
    void processesThatStartTogetherUseOneFile() throws IOException {
        List<CompletableFuture<Run>> runs = Stream.generate(() -> CompletableFuture.supplyAsync(() -> run(cached())))
                .limit(3).toList();
        Run plain = run(ModelOptions.of(model));
        runs.forEach(one -> assertEquals(plain.ids(), one.join().ids()));
        onlyFile();
    }

    @Test
    void whatCannotUseACacheIsRefusedByName() {
        assertTrue(assertThrows(InputException.class, () -> cached().withDevice("cuda")).getMessage()
                .endsWith("given with the device cuda, expected the device cpu"));
        assertTrue(assertThrows(InputException.class, () -> new WeightsOptions(true, 0, Optional.of(cache)))
                .getMessage().endsWith("given with random weights, expected the weights of a model"));
        try (Engine engine = Engine.open(cached())) {
            assertTrue(assertThrows(InputException.class, () -> engine.trainer(null)).getMessage()
                    .endsWith("given, but training changes all weights, expected no cache"));
        }
    }
}
