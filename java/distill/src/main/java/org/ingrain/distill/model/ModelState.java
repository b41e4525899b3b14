package org.ingrain.distill.model;

import java.nio.file.Path;

/** The weights that generate a text. */
public sealed interface ModelState {
    /** The weights of the base model, which is the model of the students before any training. */
    record Base() implements ModelState {
    }

    /**
     * The base model with an adapter.
     *
     * @param folder folder of the adapter in PEFT format
     */
    record Adapter(Path folder) implements ModelState {
    }

    /**
     * Another whole model.
     *
     * @param folder Hugging Face folder
     */
    record Model(Path folder) implements ModelState {
    }

    /** The teacher of a run whose teacher is not the base model. */
    record Teacher() implements ModelState {
    }
}
