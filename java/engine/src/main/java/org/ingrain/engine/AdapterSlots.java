package org.ingrain.engine;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.sample.Generator;
import org.ingrain.tensor.InputException;

/** The adapters that a generator has loaded, by folder. Used by the generator's thread; one object a generator. */
public final class AdapterSlots {
    private final Generator generator;
    private final Blueprint blueprint;
    private final LinkedHashMap<Path, Integer> loaded = new LinkedHashMap<>();

    public AdapterSlots(Generator generator, Blueprint blueprint) {
        this.generator = generator;
        this.blueprint = blueprint;
    }

    /**
     * The slot of an adapter, for {@link org.ingrain.sample.Request}. Loads the adapter unless it is loaded; if every
     * slot is taken, the one that was loaded first is replaced, and no request of it may be in flight.
     *
     * @throws InputException if the folder holds no adapter of this model
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

    /** An adapter's modules; one that replaces whole modules is refused: it cannot share a batch with its base. */
    public static List<LoraModule> read(Path folder, Blueprint blueprint) {
        PeftAdapter adapter = PeftAdapter.read(folder, blueprint);
        if (!adapter.savedModules().isEmpty()) {
            throw new InputException(folder + ": modules_to_save " + adapter.savedModules().keySet()
                    + " cannot be applied while sampling, expected LoRA modules alone; merge it first");
        }
        return adapter.modules();
    }

    /** The largest rank of an adapter's modules. */
    public static int rank(List<LoraModule> adapter) {
        return adapter.stream().mapToInt(LoraModule::rank).max().orElse(0);
    }
}
