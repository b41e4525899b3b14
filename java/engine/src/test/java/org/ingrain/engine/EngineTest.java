package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ingrain.model.AdapterBank;
import org.ingrain.sample.Generator;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.train.Trainer;
import org.ingrain.train.data.DataConfig;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingDataReader;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.run.TrainProgress;
import org.ingrain.train.run.TrainingRun;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests Engine with the lab model. */
class EngineTest {
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
    private static final ModelOptions OPTIONS = ModelOptions.of(LAB).withThreads(1);
    private static final LoraConfig LORA = LoraConfig.of(2, 64);
    private static final GeneratorConfig SMALL = GeneratorConfig.of(128, 4, 64).withBlockSize(16);

    @TempDir
    private Path temp;

    private static String answer(Engine engine, Generator generator, int slot) {
        int[] prompt = engine.encode(List.of(Message.user("Spell the word \"Ann\".")));
        Request request = new Request(prompt, 1, 0, SamplingParams.greedy(12), slot, false);
        return Arrays.toString(generator.generate(List.of(request)).getFirst().getFirst().ids());
    }

    /** Trains an adapter that makes the model answer with {@code letter}. */
    private Path adapter(Engine engine, String letter) throws IOException {
        Path rows = temp.resolve(letter + ".jsonl");
        Files.writeString(rows, "{\"prompt\": \"Spell the word \\\"Ann\\\".\", \"completion\": \"" + letter + "\"}\n");
        var data = TrainingDataReader.read(DataConfig.of(rows, null, 64), engine.tokenizer(), engine.template(), 0);
        TrainingRun run = new TrainingRun(temp.resolve("run-" + letter), data, OptimizerConfig.of(1e-2),
                TrainConfig.of(8, 1, 0), engine.modelFingerprint());
        try (Trainer trainer = engine.trainer(LORA, List.of(), run)) {
            return trainer.train(TrainProgress.SILENT).result();
        }
    }

    @Test
    void theWeightsAreLoadedOnceAfterAPlan() {
        List<String> heard = new ArrayList<>();
        try (Engine engine = Engine.open(OPTIONS, new Engine.Listener() {
            @Override
            public void planned(MemoryPlan plan) {
                heard.addAll(plan.parts().stream().map(MemoryPlan.Part::name).toList());
            }

            @Override
            public void loaded(int layers, int of) {
                heard.add(layers + "/" + of);
            }
        })) {
            assertNull(engine.memory());
            assertEquals(List.of(), heard);
            Generator first = engine.generator(SMALL, 1, LORA.rank());
            Generator second = engine.generator(SMALL);
            assertEquals(List.of("weights", "cache", "workspace", "adapter", "1/4", "2/4", "3/4", "4/4"), heard);
            assertEquals(heard.subList(0, 4), engine.memory().parts().stream().map(MemoryPlan.Part::name).toList());
            assertEquals(answer(engine, first, -1), answer(engine, second, -1));
        }
    }

    /** A cache that does not fit is refused before the weights are loaded; a smaller cache is then accepted. */
    @Test
    void aCacheThatDoesNotFitIsRefusedByThePlan() {
        try (Engine engine = Engine.open(OPTIONS)) {
            GeneratorConfig huge = SMALL.withCacheTokens(1L << 34);
            String refused = assertThrows(InputException.class, () -> engine.generator(huge)).getMessage();
            assertTrue(refused.startsWith(LAB + ": needs ") && refused.contains("(weights 0.00, cache "),
                    refused);
            Generator generator = engine.generator(SMALL);
            assertThrows(InputException.class, () -> engine.generator(huge), "also with loaded weights");
            assertTrue(answer(engine, generator, -1).length() > 2);
        }
    }

    @Test
    void oneSlotHoldsTheAdapterThatWasAskedLast() throws IOException {
        try (Engine engine = Engine.open(OPTIONS)) {
            Path a = adapter(engine, "a");
            Path b = adapter(engine, "b");
            Generator generator = engine.generator(SMALL, 1, LORA.rank());
            AdapterSlots slots = new AdapterSlots(generator, engine);
            String base = answer(engine, generator, -1);
            String byA = answer(engine, generator, slots.load(a));
            assertEquals(byA, answer(engine, generator, slots.load(a)), "loaded already");
            String byB = answer(engine, generator, slots.load(b));
            assertNotEquals(byA, byB);
            assertNotEquals(base, byA);
            assertEquals(byA, answer(engine, generator, slots.load(a)), "loaded again");
            assertEquals(base, answer(engine, generator, -1));
            AdapterSlots none = new AdapterSlots(engine.generator(SMALL), engine);
            assertThrows(IllegalStateException.class, () -> none.load(a));
            assertEquals(LORA.rank(), AdapterBank.Limits.of(engine.adapter(a)).rank());
            assertEquals(AdapterBank.Limits.of(2, LORA.rank()),
                    AdapterBank.Limits.of(List.of(engine.adapter(a), engine.adapter(b))));
        }
    }

    /** Before the weights are loaded, the listener is told the context limit. A longer context is refused. */
    @Test
    void aContextThatAWindowCapsIsSaid() throws IOException {
        Path config = temp.resolve("windowed.json");
        Files.writeString(config, Files.readString(LAB.resolve("config.json"))
                .replace("LlamaForCausalLM", "MistralForCausalLM").replace("{", "{\"sliding_window\": 100,"));
        List<String> heard = new ArrayList<>();
        Engine.Listener listener = new Engine.Listener() {
            @Override
            public void capped(String limit) {
                heard.add(limit);
            }

            @Override
            public void planned(MemoryPlan plan) {
                heard.add("planned");
            }
        };
        try (Engine engine = Engine.open(OPTIONS.withModel(config).withRandomWeights(1), listener)) {
            assertEquals(100, engine.defaults().contextLength());
            String refused = assertThrows(InputException.class, () -> engine.generator(SMALL, () -> null)).getMessage();
            assertTrue(refused.startsWith("contextLength: 128, expected at most sliding_window 100"), refused);
            assertEquals(List.of(), heard);
            engine.generator(engine.defaults(), () -> null).close();
            assertTrue(heard.getFirst().startsWith("sliding_window 100, since"), heard.getFirst());
            assertEquals(List.of("planned"), heard.subList(1, heard.size()));
        }
    }

    /** A model with random weights needs only a config.json. To generate text, it also needs a tokenizer. */
    @Test
    void randomWeightsNeedNoFolder() throws IOException {
        Path config = Files.copy(LAB.resolve("config.json"), temp.resolve("any.json"));
        StreamingDecoder silent = new StreamingDecoder() {
            @Override
            public String append(int id) {
                return "";
            }

            @Override
            public String flush() {
                return "";
            }
        };
        try (Engine engine = Engine.open(OPTIONS.withModel(config).withRandomWeights(2))) {
            assertEquals(2, engine.blueprint().numHiddenLayers());
            Request request = Request.of(new int[] {1, 2, 3}, 1, SamplingParams.greedy(5));
            Generator generator = engine.generator(SMALL, () -> silent);
            assertEquals(5, generator.generate(List.of(request)).getFirst().getFirst().ids().length);
            assertThrows(InputException.class, () -> engine.generator(SMALL));
        }
        assertThrows(InputException.class, () -> Engine.open(OPTIONS.withModel(config)), "has no weights");
        assertThrows(InputException.class, () -> Engine.open(
                OPTIONS.withModel(temp.resolve("none")).withRandomWeights(0)));
    }

    @Test
    void defaultsAreTheModelsContext() {
        try (Engine engine = Engine.open(OPTIONS)) {
            int context = engine.blueprint().maxPositionEmbeddings();
            assertEquals(GeneratorConfig.of(context, 128, 512).withCacheTokens(128L * context), engine.defaults());
        }
    }

    /**
     * On a GPU the default maxBatchTokens is larger than the CPU's default of 512, because a GPU needs many rows to
     * multiply matrices fast.
     */
    @Test
    void aStepOnAGpuHasMoreTokens() {
        try (Engine engine = Engine.open(ModelOptions.of(LAB).withDevice("simt"))) {
            assertEquals(2048, engine.defaults().maxBatchTokens());
        }
    }
}
