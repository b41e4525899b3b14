package org.ingrain.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.model.Group.Role;
import org.ingrain.model.Parameter.Init;
import org.ingrain.model.Parameter.Shard;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares the table with a real checkpoint and with the published sizes of Llama 2 70B. */
class ParameterTableTest {
    private static final Path MODELS = Path.of(System.getProperty("ingrain.root"), "models");
    private static final int LAYERS = 80;

    private final Blueprint large = BlueprintReader.read(MODELS.resolve("llama-2-70b.json"));
    private final ParameterTable table = large.parameters();

    private static List<String> names(List<Parameter> parameters) {
        return parameters.stream().map(Parameter::name).toList();
    }

    @Test
    void theLabModelHasTheseTensors() {
        try (ModelFolder lab = ModelFolder.open(MODELS.resolve("lab"))) {
            ParameterTable parameters = lab.config().parameters();
            assertEquals(lab.names(), Set.copyOf(names(parameters.all())));
            for (Parameter p : parameters.all()) {
                assertArrayEquals(lab.tensor(p.name()).shape(), p.shape(), p.name());
            }
            long elements = lab.names().stream().mapToLong(name -> lab.tensor(name).elements()).sum();
            assertEquals(elements, parameters.elements());
            assertEquals(Group.EMBED_TOKENS, parameters.head(), "tied");
            assertFalse(parameters.groups().contains(Group.LM_HEAD));
        }
    }

    @Test
    void llama2Of70BHas69Billion() {
        assertEquals(68_976_648_192L, table.elements());
        assertEquals(1 + LAYERS * 9 + 2, table.all().size());
        assertEquals(Group.LM_HEAD, table.head());
        assertEquals("model.embed_tokens.weight", table.all().getFirst().name());
        assertEquals("lm_head.weight", table.all().getLast().name());
        assertEquals(List.of(Group.EMBED_TOKENS, Group.NORM, Group.LM_HEAD), table.groups(Group.MODEL));
        assertEquals(table.groups().size(), Set.copyOf(table.groups()).size());
    }

    @Test
    void groupsFuseRowsInOrder() {
        String prefix = "model.layers.79.";
        assertEquals(List.of(Role.INPUT_LAYERNORM.of(79), Role.POST_ATTENTION_LAYERNORM.of(79), Role.QKV_PROJ.of(79),
                Role.O_PROJ.of(79), Role.GATE_UP_PROJ.of(79), Role.DOWN_PROJ.of(79)), table.groups(79));
        assertEquals(List.of(prefix + "self_attn.q_proj.weight", prefix + "self_attn.k_proj.weight",
                prefix + "self_attn.v_proj.weight"), names(table.parts(Role.QKV_PROJ.of(79))));
        assertEquals(List.of(prefix + "mlp.gate_proj.weight", prefix + "mlp.up_proj.weight"),
                names(table.parts(Role.GATE_UP_PROJ.of(79))));
        assertArrayEquals(new long[] {(64 + 2 * 8) * 128, 8192}, table.fused(Role.QKV_PROJ.of(79)).shape());
        assertArrayEquals(new long[] {8192, 64 * 128}, table.fused(Role.O_PROJ.of(79)).shape());
        assertArrayEquals(new long[] {2 * 28672, 8192}, table.fused(Role.GATE_UP_PROJ.of(79)).shape());
        assertArrayEquals(new long[] {8192, 28672}, table.fused(Role.DOWN_PROJ.of(79)).shape());
        assertArrayEquals(new long[] {8192}, table.fused(Role.INPUT_LAYERNORM.of(79)).shape());
        assertEquals(List.of(0L, 64L * 128, 72L * 128, 0L, 0L, 28672L, 0L), Projection.LINEAR.stream()
                .map(p -> table.firstRow(table.get(3, p))).toList());
    }

    /**
     * Groups sort in the order of the forward pass. The backward pass stops at the first trained group in this order.
     */
    @Test
    void groupsAreOrderedAsTheyAreRead() {
        List<Group> read = List.of(Group.EMBED_TOKENS, Role.INPUT_LAYERNORM.of(0), Role.QKV_PROJ.of(0),
                Role.O_PROJ.of(0), Role.POST_ATTENTION_LAYERNORM.of(0), Role.GATE_UP_PROJ.of(0), Role.DOWN_PROJ.of(0),
                Role.QKV_PROJ.of(1));
        assertEquals(read, read.reversed().stream().sorted().toList());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8})
    void ranksShareRowsOfWhatReadsAndColumnsOfWhatWrites(int count) {
        Rank rank = new Rank(count - 1, count);
        rank.require(large, 0);
        for (Parameter p : table.all()) {
            boolean rows = p.shard() == Shard.ROWS || p.shard() == Shard.VOCABULARY && count >= 4;
            assertEquals(p.rows(), p.rows(rank) * (rows ? count : 1), p.name());
            assertEquals(p.columns(), p.columns(rank) * (p.shard() == Shard.COLUMNS ? count : 1), p.name());
        }
        assertEquals(Set.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.GATE_PROJ,
                Projection.UP_PROJ), sharded(Shard.ROWS));
        assertEquals(Set.of(Projection.O_PROJ, Projection.DOWN_PROJ), sharded(Shard.COLUMNS));
        assertEquals(8192 / 8, table.get(0, Projection.O_PROJ).chunk(0));
        assertEquals(0, table.get(0, Projection.Q_PROJ).chunk(0));
        for (Parameter p : table.all()) {
            if (!p.name().contains("_proj")) {
                assertEquals(p.name().equals("lm_head.weight") ? Shard.VOCABULARY : Shard.NONE, p.shard(), p.name());
            }
        }
    }

    /** The bias of a sharded matrix is sharded in the same way; the weights of the QK norm are not sharded. */
    @Test
    void biasesAndNormsOfHeadsAreThere() {
        ParameterTable biased = BlueprintReader.read(MODELS.resolve("qwen2.5-7b.json")).parameters();
        Parameter bias = biased.fused(Role.QKV_BIAS.of(27));
        assertArrayEquals(new long[] {(28 + 2 * 4) * 128}, bias.shape());
        assertEquals(bias.rows() / 4, bias.rows(new Rank(1, 4)));
        assertEquals(List.of("q_proj.bias", "k_proj.bias", "v_proj.bias"), names(biased.parts(bias.group())).stream()
                .map(name -> name.replace("model.layers.27.self_attn.", "")).toList());
        ParameterTable normed = BlueprintReader.read(MODELS.resolve("qwen3-8b.json")).parameters();
        for (Role role : List.of(Role.Q_NORM, Role.K_NORM)) {
            Parameter norm = normed.parts(role.of(35)).getFirst();
            assertEquals("model.layers.35.self_attn." + role.name().toLowerCase(Locale.ROOT) + ".weight", norm.name());
            assertArrayEquals(new long[] {128}, norm.shape());
            assertEquals(128, norm.rows(new Rank(3, 8)));
            assertEquals(Init.ONES, norm.init());
        }
        assertEquals(Init.ZEROS, bias.init());
        assertFalse(bias.decayed() || normed.fused(Role.Q_NORM.of(0)).decayed());
    }

    private Set<Projection> sharded(Shard shard) {
        return Projection.LINEAR.stream().filter(p -> table.get(0, p).shard() == shard).collect(Collectors.toSet());
    }

    @Test
    void refusesRanksThatCannotShare() {
        Blueprint odd = new Blueprint(64, 96, 2, new AttentionConfig(6, 3, 16), 10, 128, 1e-5, large.rope(), false,
                large.dtype());
        new Rank(0, 1).require(odd, 0);
        String message = assertThrows(InputException.class, () -> new Rank(0, 2).require(odd, 0)).getMessage();
        assertTrue(message.contains("3 key-value heads"), message);
    }

    /**
     * A chunk consists of whole quantization groups. If the columns cannot be divided in this way, the product is one
     * sum and cannot be sharded.
     */
    @Test
    void chunksHoldWholeGroups() {
        Parameter o = table.get(0, Projection.O_PROJ);
        assertEquals(o.columns() / 8, o.chunk(128));
        assertEquals(List.of(1, 2, 4, 8), Rank.counts(large, 128));
        Blueprint narrow = new Blueprint(64, 512, 1, new AttentionConfig(8, 8, 32), 10, 128, 1e-5, large.rope(), false,
                large.dtype());
        Parameter down = narrow.parameters().get(0, Projection.DOWN_PROJ);
        assertEquals(64, down.chunk(0));
        assertEquals(64, down.chunk(64));
        assertEquals(0, down.chunk(128));
        assertEquals(List.of(1), Rank.counts(narrow, 128));
    }

    @Test
    void aNewModelBeginsAsGpt2() {
        for (Parameter p : table.all()) {
            boolean norm = p.name().endsWith("norm.weight");
            boolean writes = p.name().contains("o_proj") || p.name().contains("down_proj");
            assertEquals(norm ? Init.ONES : writes ? Init.RESIDUAL : Init.NORMAL, p.init(), p.name());
            assertEquals(!norm, p.decayed(), p.name());
            assertEquals(!norm, p.matrix(), p.name());
        }
        assertEquals(0.02f, Init.NORMAL.deviation(LAYERS));
        assertEquals((float) (0.02 / Math.sqrt(160)), Init.RESIDUAL.deviation(LAYERS));
    }
}
