package org.ingrain.server.generate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.server.api.ApiException;

/** The models that requests can name: the base model, under one or several names, and the loaded adapters. */
public final class Models {
    private final SharedGenerator generator;
    private final List<Model> bases;
    private final Map<String, Model> adapters = new LinkedHashMap<>();
    /**
     * Protects {@code adapters}. A thread holds the read lock while it submits a request, so that the request's adapter
     * is not unloaded meanwhile.
     */
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    /** Held while an adapter is loaded or unloaded. */
    private final ReentrantLock changing = new ReentrantLock();

    /**
     * A model that requests can name.
     *
     * @param name    name in requests and answers
     * @param folder  the model's or the adapter's folder
     * @param slot    slot of the adapter, -1 for the base model
     * @param created time at which the model was loaded, in seconds since 1970
     */
    public record Model(String name, Path folder, int slot, long created) {
        public boolean adapter() {
            return slot >= 0;
        }
    }

    /** @param names names of the base model */
    public Models(SharedGenerator generator, List<String> names, Path folder) {
        this.generator = generator;
        long now = System.currentTimeMillis() / 1000;
        bases = names.stream().map(name -> new Model(name, folder, -1, now)).toList();
    }

    /** The base model under its first name. */
    public Model base() {
        return bases.getFirst();
    }

    /** All models: the base model under each of its names, then the adapters in the order of loading. */
    public List<Model> all() {
        lock.readLock().lock();
        try {
            List<Model> all = new ArrayList<>(bases);
            all.addAll(adapters.values());
            return all;
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Returns the model with this name, or the base model if the name is null. */
    public Model require(String name) {
        return submit(name, model -> model);
    }

    /**
     * Runs an action with the model of this name, or with the base model if the name is null. If the model is an
     * adapter, it stays loaded until the action ends.
     */
    public <T> T submit(String name, Function<Model, T> action) {
        lock.readLock().lock();
        try {
            Model model = name == null ? base() : find(name);
            if (model == null) {
                throw ApiException.noModel(name);
            }
            return action.apply(model);
        } finally {
            lock.readLock().unlock();
        }
    }

    private Model find(String name) {
        return bases.stream().filter(base -> base.name().equals(name)).findFirst().orElseGet(() -> adapters.get(name));
    }

    /**
     * Loads an adapter. Waits until the generator can use the adapter.
     *
     * @throws org.ingrain.tensor.InputException if the folder holds no adapter for this model, or if no slot is free
     */
    public void load(String name, Path folder) {
        changing.lock();
        try {
            if (all().stream().anyMatch(model -> model.name().equals(name))) {
                throw ApiException.invalid("lora_name", "lora_name: a model '" + name + "' is already loaded");
            }
            int slot = generator.loadAdapter(folder);
            change(() -> adapters.put(name, new Model(name, folder, slot, System.currentTimeMillis() / 1000)));
        } finally {
            changing.unlock();
        }
    }

    /** Unloads an adapter. Running requests with the adapter are completed, and new ones are refused. */
    public void unload(String name) {
        changing.lock();
        try {
            Model model = require(name);
            if (!model.adapter()) {
                throw ApiException.invalid("lora_name", "lora_name: '" + name
                        + "' is the base model, expected an adapter");
            }
            change(() -> adapters.remove(name));
            generator.unloadAdapter(model.slot());
        } finally {
            changing.unlock();
        }
    }

    private void change(Runnable action) {
        lock.writeLock().lock();
        try {
            action.run();
        } finally {
            lock.writeLock().unlock();
        }
    }
}
