package org.ingrain.engine;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import org.ingrain.model.Adapter;
import org.ingrain.sample.Generator;

/**
 * The adapters that are loaded in a generator, by folder. Create one such object per generator, and use it only on the
 * thread that uses the generator.
 */
public final class AdapterSlots {
    private final Generator generator;
    private final Engine engine;
    private final LinkedHashMap<Path, Integer> loaded = new LinkedHashMap<>();

    public AdapterSlots(Generator generator, Engine engine) {
        this.generator = generator;
        this.engine = engine;
    }

    /**
     * Returns the slot of an adapter, to be passed to {@link org.ingrain.sample.Request}. If the adapter is not loaded,
     * loads it. If all slots are occupied, the adapter that has been loaded for the longest time is replaced; no
     * request for that adapter may be in flight.
     *
     * @throws InputException        if the folder does not contain a LoRA adapter for this model
     * @throws IllegalStateException if the generator has no adapter slots
     */
    public int load(Path folder) {
        Integer slot = loaded.get(folder);
        if (slot == null) {
            if (generator.adapterSlots() == 0) {
                throw new IllegalStateException("the generator has no adapter slot for " + folder);
            }
            Adapter adapter = engine.adapter(folder);
            slot = loaded.size() < generator.adapterSlots() ? loaded.size()
                    : loaded.remove(loaded.firstEntry().getKey());
            generator.loadAdapter(slot, adapter);
            loaded.put(folder, slot);
        }
        return slot;
    }
}
