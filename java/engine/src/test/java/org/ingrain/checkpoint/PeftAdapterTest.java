package org.ingrain.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.ingrain.model.AttentionConfig;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.Parameter;
import org.ingrain.model.Projection;
import org.ingrain.model.RopeConfig;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Reads configurations that PEFT 0.21 writes. The expected results were once checked against PEFT's results. */
class PeftAdapterTest {
    private static final Blueprint MODEL = new Blueprint(32, 48, 2, new AttentionConfig(4, 2, 8), 50, 64, 1e-6,
            RopeConfig.of(1e4), false, DType.F32);
    private static final String PEFT = """
            {"alora_invocation_tokens":null,"alpha_pattern":{},"arrow_config":null,"auto_mapping":null,"base_model_name_or_path":"base",
            "bias":"none","corda_config":null,"ensure_weight_tying":false,"eva_config":null,"exclude_modules":null,"fan_in_fan_out":false,
            "inference_mode":true,"init_lora_weights":true,"kasa_config":null,"layer_replication":null,"layers_pattern":null,
            "layers_to_transform":null,"loftq_config":{},"lora_alpha":8,"lora_bias":false,"lora_dropout":0.05,"lora_ga_config":null,
            "megatron_config":null,"megatron_core":"megatron.core","modules_to_save":null,"monteclora_config":null,"peft_type":"LORA",
            "peft_version":"0.21.0","qalora_group_size":16,"r":4,"rank_pattern":{},"revision":null,"target_modules":["v_proj","q_proj"],
            "target_parameters":null,"task_type":"CAUSAL_LM","trainable_token_indices":null,"use_bdlora":null,"use_dora":false,
            "use_qalora":false,"use_rslora":false,"velora_config":null}""";

    @TempDir
    private Path folder;

    @Test
    void readsWhatPeftWrites() throws IOException {
        PeftAdapter adapter = read(PEFT, modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ));
        assertEquals("base", adapter.config().baseModelNameOrPath());
        assertEquals(0.05, adapter.config().loraDropout());
        assertEquals(4, adapter.modules().size());
        LoraModule last = adapter.modules().getLast();
        assertEquals(new Module(1, Projection.V_PROJ, 4, 2f), Module.of(last));
        assertEquals(4 * 32, last.a().length);
        assertEquals(16 * 4, last.b().length);
        assertEquals(1f, last.a()[1]);
    }

    @Test
    void honoursPatternsLayersAndRslora() throws IOException {
        PeftAdapter byRegex = read(
                PEFT.replace("[\"v_proj\",\"q_proj\"]", "\".*\\\\.(1)\\\\.self_attn\\\\.(q|k)_proj\"")
                .replace("\"rank_pattern\":{}", "\"rank_pattern\":{\"q_proj\":2}")
                .replace("\"alpha_pattern\":{}", "\"alpha_pattern\":{\"layers\\\\.1\\\\.self_attn\\\\.k_proj\":3}"),
                Stream.of(pair(1, Projection.Q_PROJ, 2), pair(1, Projection.K_PROJ, 4)).flatMap(List::stream).toList());
        assertEquals(List.of(new Module(1, Projection.Q_PROJ, 2, 4f), new Module(1, Projection.K_PROJ, 4, 0.75f)),
                byRegex.modules().stream().map(Module::of).toList());

        PeftAdapter byLayer = read(PEFT.replace("[\"v_proj\",\"q_proj\"]", "[\"down_proj\",\"q_proj\"]")
                .replace("\"layers_to_transform\":null", "\"layers_to_transform\":1")
                .replace("\"exclude_modules\":null", "\"exclude_modules\":[\"q_proj\"]"),
                pair(1, Projection.DOWN_PROJ, 4));
        assertEquals(List.of(new Module(1, Projection.DOWN_PROJ, 4, 2f)),
                byLayer.modules().stream().map(Module::of).toList());

        PeftAdapter allLinear = read(PEFT.replace("[\"v_proj\",\"q_proj\"]", "\"all-linear\"")
                .replace("\"use_rslora\":false", "\"use_rslora\":true"),
                modules(4, 0, 1, Projection.LINEAR.toArray(new Projection[0])));
        assertEquals(14, allLinear.modules().size());
        assertEquals(4f, allLinear.modules().getFirst().scaling());
    }

    @Test
    void readsModulesThatAreStoredWhole() throws IOException {
        List<TensorOutput> tensors = new ArrayList<>(modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ));
        tensors.add(TensorOutput.of("base_model.model.lm_head.weight", new float[] {1, 2}, 2, 1));
        PeftAdapter adapter = read(PEFT.replace("\"modules_to_save\":null", "\"modules_to_save\":[\"lm_head\"]"),
                tensors);
        assertEquals(List.of("lm_head.weight"), List.copyOf(adapter.savedModules().keySet()));
        assertEquals(2f, adapter.savedModules().get("lm_head.weight").data().get(ValueLayout.JAVA_FLOAT, 4));
    }

    @Test
    void anEmbeddingHasNoBias() throws IOException {
        assertTrue(refused(PEFT.replace("\"lora_bias\":false", "\"lora_bias\":true").replace("[\"v_proj\",\"q_proj\"]",
                "[\"embed_tokens\"]"), List.of(TensorOutput.of("x", new float[1], 1)))
                .endsWith("adapter_config.json: lora_bias is set, which is not supported for embed_tokens"));
    }

    /** As in PEFT, a name in modules_to_save selects every module whose path ends with this name. */
    @Test
    void aSavedNormIsEveryNorm() throws IOException {
        List<TensorOutput> tensors = new ArrayList<>(modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ));
        tensors.add(TensorOutput.of("base_model.model.model.norm.weight", new float[32], 32));
        tensors.add(TensorOutput.of("base_model.model.model.layers.0.input_layernorm.weight", new float[32], 32));
        PeftAdapter adapter = read(PEFT.replace("\"modules_to_save\":null", "\"modules_to_save\":[\"norm\"]"),
                tensors);
        assertEquals(Set.of("model.norm.weight", "model.layers.0.input_layernorm.weight"),
                adapter.savedModules().keySet());
    }

    @Test
    void readsHalfPrecision() throws IOException {
        List<TensorOutput> tensors = modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ).stream().map(t -> {
            short[] values = new short[(int) (t.bytes() / 4)];
            values[1] = (short) (t.name().contains("lora_A") ? 0xBF80 : 0xC000);
            return new TensorOutput(t.name(), t.name().contains("lora_A") ? DType.BF16 : DType.F16, t.shape(),
                    () -> MemorySegment.ofArray(values));
        }).toList();
        LoraModule module = read(PEFT, tensors).modules().getFirst();
        assertEquals(-1f, module.a()[1]);
        assertEquals(-2f, module.b()[1]);
    }

    @Test
    void writesWhatItReads() throws IOException {
        List<LoraModule> modules = read(PEFT, modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ)).modules();
        AdapterConfig config = AdapterConfig.of("base", 4, 8, 0.05, List.of("q_proj", "v_proj"));
        Path written = folder.resolve("new/adapter");
        new PeftAdapter(config, modules, Map.of()).write(written);
        PeftAdapter again = PeftAdapter.read(written, MODEL);
        assertEquals(config, again.config());
        for (int i = 0; i < modules.size(); i++) {
            assertEquals(Module.of(modules.get(i)), Module.of(again.modules().get(i)));
            assertArrayEquals(modules.get(i).a(), again.modules().get(i).a());
            assertArrayEquals(modules.get(i).b(), again.modules().get(i).b());
        }
        assertArrayEquals(Files.readAllBytes(folder.resolve("adapter_model.safetensors")),
                Files.readAllBytes(written.resolve("adapter_model.safetensors")));
        try (Safetensors tensors = Safetensors.open(written.resolve("adapter_model.safetensors"))) {
            assertEquals("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
                    new TreeSet<>(tensors.names()).first());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "peft_type is IA3, expected LORA|\"LORA\"|\"IA3\"",
        "use_dora is set, which is not supported|\"use_dora\":false|\"use_dora\":true",
        "bias is all, expected none|\"bias\":\"none\"|\"bias\":\"all\"",
        "fan_in_fan_out is set, which is not supported|\"fan_in_fan_out\":false|\"fan_in_fan_out\":true",
        "init_lora_weights is pissa_niter_16, "
        + "expected|\"init_lora_weights\":true|\"init_lora_weights\":\"pissa_niter_16\"",
        "init_lora_weights is olora, expected|\"init_lora_weights\":true|\"init_lora_weights\":\"olora\"",
        "loftq_config is set, which is not supported|\"loftq_config\":{}|\"loftq_config\":{\"loftq_bits\":4}",
        "layer_replication is set, which is not supported|\"layer_replication\":null|\"layer_replication\":[[0,2]]",
        "trainable_token_indices is set, which is not "
        + "supported|\"trainable_token_indices\":null|\"trainable_token_indices\":[1]",
        "some_future_thing is set, which is not supported|\"use_dora\"|\"some_future_thing\":{\"a\":1},\"use_dora\"",
        "r is missing|\"r\":4,|",
        "r: 0, expected a positive number|\"r\":4|\"r\":0",
        "lora_alpha is \"x\", expected a number|\"lora_alpha\":8|\"lora_alpha\":\"x\"",
        "lora_dropout: 1.5, expected|\"lora_dropout\":0.05|\"lora_dropout\":1.5",
        "target_modules is missing|[\"v_proj\",\"q_proj\"]|null",
        "target_modules: (, expected a regular expression: Unclosed group|[\"v_proj\",\"q_proj\"]|\"(\"",
        "the regular expression (.?.)+\\1# needs too many steps on a text of 31 "
        + "characters|[\"v_proj\",\"q_proj\"]|\"(.?.)+\\\\1#\"",
        "needs too many steps|\"rank_pattern\":{}|\"rank_pattern\":{\"(.?.)+\\\\1#\":2}",
        "needs too many steps|\"alpha_pattern\":{}|\"alpha_pattern\":{\"(.?.)+\\\\1#\":2}",
        "target_modules is [gate], which names no module of the model that can be adapted"
        + "|[\"v_proj\",\"q_proj\"]|[\"gate\"]",
        "rank_pattern: (, expected a regular expression: Unclosed group|\"rank_pattern\":{}|\"rank_pattern\":{\"(\":2}",
        "layers_to_transform is set, but "
        + "target_modules|[\"v_proj\",\"q_proj\"]|\"all-linear\",\"layers_to_transform\":[1]",
    })
    void refusesByName(String complaint, String found, String replacement) throws IOException {
        String config = replacement != null && replacement.contains("layers_to_transform")
                ? PEFT.replace("\"layers_to_transform\":null,", "") : PEFT;
        String message = refused(config.replace(found, replacement == null ? "" : replacement),
                modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ));
        assertTrue(message.startsWith(folder.resolve("adapter_config.json") + ": ") && message.contains(complaint),
                message);
    }

    @Test
    void refusesTensorsThatDoNotFit() throws IOException {
        List<TensorOutput> right = modules(4, 0, 1, Projection.Q_PROJ, Projection.V_PROJ);
        assertTrue(refused(PEFT, right.subList(1, right.size()))
                .endsWith("tensor '" + right.getFirst().name() + "' is missing"));
        assertTrue(refused(PEFT, modules(3, 0, 1, Projection.Q_PROJ, Projection.V_PROJ))
                .endsWith("has shape [3, 32], expected [4, 32]"));
        List<TensorOutput> more = new ArrayList<>(right);
        more.add(TensorOutput.of("base_model.model.lm_head.weight", new float[1], 1));
        assertTrue(refused(PEFT, more).endsWith("tensor 'base_model.model.lm_head.weight' belongs to no module that "
                + "adapter_config.json names"));
        assertEquals(folder.resolve("absent") + ": no such folder",
                assertThrows(InputException.class, () -> PeftAdapter.read(folder.resolve("absent"), MODEL))
                .getMessage());
        Files.delete(folder.resolve("adapter_model.safetensors"));
        assertTrue(assertThrows(InputException.class, () -> PeftAdapter.read(folder, MODEL)).getMessage()
                .contains("has no adapter_model.safetensors"));
    }

    private record Module(int layer, Projection projection, int rank, float scaling) {
        static Module of(LoraModule module) {
            return new Module(module.layer(), module.projection(), module.rank(), module.scaling());
        }
    }

    private PeftAdapter read(String config, List<TensorOutput> tensors) throws IOException {
        Files.writeString(folder.resolve("adapter_config.json"), config);
        SafetensorsWriter.write(folder.resolve("adapter_model.safetensors"), tensors);
        return PeftAdapter.read(folder, MODEL);
    }

    private String refused(String config, List<TensorOutput> tensors) {
        String message = assertThrows(InputException.class, () -> read(config, tensors)).getMessage();
        assertEquals(1, message.lines().count(), message);
        return message;
    }

    private static List<TensorOutput> modules(int rank, int first, int last, Projection... projections) {
        List<TensorOutput> tensors = new ArrayList<>();
        for (int layer = first; layer <= last; layer++) {
            for (Projection projection : projections) {
                tensors.addAll(pair(layer, projection, rank));
            }
        }
        return tensors;
    }

    private static List<TensorOutput> pair(int layer, Projection projection, int rank) {
        String name = "base_model.model." + projection.module(layer) + ".lora_";
        Parameter w = MODEL.parameters().get(layer, projection);
        return List.of(TensorOutput.of(name + "A.weight", counting(rank * w.columns()), rank, w.columns()),
                TensorOutput.of(name + "B.weight", counting(w.rows() * rank), w.rows(), rank));
    }

    private static float[] counting(long length) {
        float[] values = new float[(int) length];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        return values;
    }
}
