package org.ingrain.train.pass;

import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.tensor.Require;
import org.ingrain.train.pass.FlatParameters.Layout;
import org.ingrain.train.pass.FlatParameters.Region;
import org.ingrain.train.pass.FlatParameters.Slot;

/**
 * The positions of A and B of each adapted projection in flat memory. If the model is not sharded, the positions are
 * ordered by layer; if it is sharded, by region and then by layer. The A of projections with the same input are
 * adjacent, except for alignment.
 *
 * @param layout   layout of this rank's flat memory
 * @param sites    the adapted projections
 * @param elements size of the flat memory of an unsharded model, in elements
 */
record LoraSites(Layout layout, List<Site> sites, long elements) {
    /**
     * An adapted module.
     *
     * @param share  this rank's shard of A and B
     * @param a      position of A (1, R, C); for the embedding, of the transpose (V, R)
     * @param b      position of B (1, N, R)
     * @param bias   position of the bias (1, N, 1) of B; null if there is no bias
     * @param wholeA offset of A in the flat memory of an unsharded model
     * @param wholeB offset of B in the flat memory of an unsharded model
     */
    record Site(int layer, Projection projection, LoraShare share, Slot a, Slot b, Slot bias, long wholeA,
            long wholeB) {
    }

    static LoraSites of(TrainingPlace place, LoraConfig lora) {
        Require.that(!lora.loraBias() || place.shard().count() == 1, "tensorParallelSize", place.shard().count(),
                "1, because a sharded model cannot train an adapter with loraBias");
        List<ParameterTable.Site> keys = place.config().parameters().adaptable().stream()
                .filter(site -> lora.targetModules().contains(site.projection())).toList();
        Map<ParameterTable.Site, LoraShare> shares = shares(keys, place, lora, place.shard());
        Map<ParameterTable.Site, LoraShare> wholes = shares(keys, place, lora, Rank.SINGLE);
        Layout own = new Layout(shares.values().stream().mapToInt(LoraShare::sharers).max().orElse(1));
        Layout whole = new Layout();
        ParameterTable table = place.config().parameters();
        Collection<List<ParameterTable.Site>> groups = keys.stream().collect(Collectors.groupingBy(
                key -> table.get(key).group(), LinkedHashMap::new, Collectors.toList())).values();
        Slots ownSlots = Slots.place(own, shares, lora, groups);
        Slots wholeSlots = Slots.place(whole, wholes, lora, groups);
        return new LoraSites(own, keys.stream().map(key -> new Site(key.layer(), key.projection(), shares.get(key),
                ownSlots.a.get(key), ownSlots.b.get(key), ownSlots.bias.get(key), wholeSlots.a.get(key).offset(),
                wholeSlots.b.get(key).offset())).toList(), whole.elements());
    }

    private static Map<ParameterTable.Site, LoraShare> shares(List<ParameterTable.Site> keys, TrainingPlace place,
            LoraConfig lora, Rank rank) {
        ParameterTable table = place.config().parameters();
        Map<ParameterTable.Site, LoraShare> shares = new HashMap<>();
        keys.forEach(key -> shares.put(key, LoraShare.of(key.projection(), table.get(key), lora.rank(),
                rank)));
        return shares;
    }

    private record Slots(Map<ParameterTable.Site, Slot> a, Map<ParameterTable.Site, Slot> b,
            Map<ParameterTable.Site, Slot> bias) {
        /** Places the biases last, because weight decay does not apply to them. */
        static Slots place(Layout layout, Map<ParameterTable.Site, LoraShare> shares, LoraConfig lora,
                Collection<List<ParameterTable.Site>> groups) {
            Slots slots = new Slots(new HashMap<>(), new HashMap<>(), new HashMap<>());
            for (Region region : Region.values()) {
                for (List<ParameterTable.Site> group : groups) {
                    group.stream().filter(key -> shares.get(key).ofA() == region)
                            .forEach(key -> slots.a.put(key, layout.add(shapeA(key, shares.get(key)))));
                    group.stream().filter(key -> shares.get(key).ofB() == region)
                            .forEach(key -> slots.b.put(key, layout.add(shares.get(key).shapeB())));
                }
                if (region == Region.WHOLE) {
                    layout.endDecayed();
                    if (lora.loraBias()) {
                        groups.forEach(group -> group.forEach(
                                key -> slots.bias.put(key, layout.add(1, shares.get(key).rows(), 1))));
                    }
                }
                layout.endRegion(region);
            }
            return slots;
        }

        private static long[] shapeA(ParameterTable.Site key, LoraShare share) {
            return key.projection() == Projection.EMBED_TOKENS ? new long[] {share.columns(), share.r()}
                    : share.shapeA();
        }
    }
}
