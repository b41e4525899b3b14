package org.ingrain.distill.model;

import java.nio.file.Path;

/** The weights that generate a text: the weights of the base model, alone or with an adapter. */
public sealed interface ModelState {
    record Base() implements ModelState {
    }

    /** @param folder folder of the adapter in PEFT format */
    record Adapter(Path folder) implements ModelState {
    }
}
