package org.ingrain.distill.model;

import java.nio.file.Path;

/** Whose answer is wanted: the model as it came, or with an adapter. */
public sealed interface ModelState {
    record Base() implements ModelState {
    }

    /** @param folder of the adapter, in PEFT's format */
    record Adapter(Path folder) implements ModelState {
    }
}
