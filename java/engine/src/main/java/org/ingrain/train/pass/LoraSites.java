package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.Projection;
import org.ingrain.model.Rank;
import org.ingrain.train.pass.FlatParameters.Layout;
import org.ingrain.train.pass.FlatParameters.Region;
import org.ingrain.train.pass.FlatParameters.Slot;

/**
 * Positions of A and B of each adapted projection in flat memory, ordered by layer. With a sharded model, they are
 * ordered by region, then by layer.
 *
 * @param layout   layout of this rank's flat memory
 * @param sites    the adapted projections
 * @param elements size of the flat memory of an unsharded model, in elements
 */
record LoraSites(Layout layout, List<Site> sites, long elements) {
    /**
     * An adapted projection.
     *
     * @param share  this rank's shard of A and B
     * @param a      position of the shard of A (1, R, ownColumns)
     * @param b      position of the shard of B (1, ownRows, R)
     * @param wholeA offset of A in the flat memory of an unsharded model
     * @param wholeB offset of B in the flat memory of an unsharded model
     */
    record Site(int layer, Projection projection, LoraShare share, Slot a, Slot b, long wholeA, long wholeB) {
    }

    private record Key(int layer, Projection projection) {
    }

    static LoraSites of(TrainingPlace place, LoraConfig lora) {
        List<Key> keys = new ArrayList<>();
        for (int i = 0; i < place.config().numHiddenLayers(); i++) {
            for (Projection p : lora.targetModules()) {
                keys.add(new Key(i, p));
            }
        }
        Map<Key, LoraShare> shares = shares(keys, place, lora, place.shard());
        Map<Key, LoraShare> wholes = shares(keys, place, lora, Rank.SINGLE);
        Layout own = new Layout(shares.values().stream().mapToInt(LoraShare::sharers).max().orElse(1));
        Layout whole = new Layout();
        Slots ownSlots = Slots.place(own, keys, shares);
        Slots wholeSlots = Slots.place(whole, keys, wholes);
        return new LoraSites(own, keys.stream().map(key -> new Site(key.layer, key.projection, shares.get(key),
                ownSlots.a.get(key), ownSlots.b.get(key), wholeSlots.a.get(key).offset(),
                wholeSlots.b.get(key).offset())).toList(), whole.elements());
    }

    private static Map<Key, LoraShare> shares(List<Key> keys, TrainingPlace place, LoraConfig lora, Rank rank) {
        ParameterTable table = place.config().parameters();
        Map<Key, LoraShare> shares = new HashMap<>();
        keys.forEach(key -> shares.put(key, LoraShare.of(table.get(key.layer, key.projection), lora.rank(), rank)));
        return shares;
    }

    private record Slots(Map<Key, Slot> a, Map<Key, Slot> b) {
        static Slots place(Layout layout, List<Key> keys, Map<Key, LoraShare> shares) {
            Slots slots = new Slots(new HashMap<>(), new HashMap<>());
            for (Region region : Region.values()) {
                for (Key key : keys) {
                    LoraShare share = shares.get(key);
                    if (share.ofA() == region) {
                        slots.a.put(key, layout.add(share.shapeA()));
                    }
                    if (share.ofB() == region) {
                        slots.b.put(key, layout.add(share.shapeB()));
                    }
                }
                layout.endRegion(region);
            }
            layout.endDecayed();
            return slots;
        }
    }
}
