package org.ingrain.engine;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.sample.Generator;
import org.ingrain.tensor.InputException;

/**
 * The adapters that are loaded in a generator, by folder. Create one object per generator, and use the object on the
 * thread that uses the generator.
 */
public final class AdapterSlots {
    private final Generator generator;
    private final Blueprint blueprint;
    private final LinkedHashMap<Path, Integer> loaded = new LinkedHashMap<>();

    public AdapterSlots(Generator generator, Blueprint blueprint) {
        this.generator = generator;
        this.blueprint = blueprint;
    }

    /**
     * Returns the slot of an adapter, for {@link org.ingrain.sample.Request}. Loads the adapter if it is not loaded. If
     * all slots are occupied, the adapter that was loaded first is replaced; no request for that adapter may be in
     * flight.
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
            List<LoraModule> adapter = read(folder, blueprint);
            slot = loaded.size() < generator.adapterSlots() ? loaded.size()
                    : loaded.remove(loaded.firstEntry().getKey());
            generator.loadAdapter(slot, adapter);
            loaded.put(folder, slot);
        }
        return slot;
    }

    /**
     * Reads the LoRA modules of an adapter.
     *
     * @throws InputException if the folder contains no LoRA adapter for this model, or an adapter with modules_to_save,
     *                        which cannot be applied in a batch with the base model
     */
    public static List<LoraModule> read(Path folder, Blueprint blueprint) {
        PeftAdapter adapter = PeftAdapter.read(folder, blueprint);
        if (!adapter.savedModules().isEmpty()) {
            throw new InputException(folder + ": modules_to_save " + adapter.savedModules().keySet()
                    + " cannot be applied while sampling, expected only LoRA modules; merge the adapter first");
        }
        return adapter.modules();
    }

    /** The largest rank of an adapter's modules. */
    public static int rank(List<LoraModule> adapter) {
        return adapter.stream().mapToInt(LoraModule::rank).max().orElse(0);
    }
}
