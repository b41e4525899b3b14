package org.ingrain.distill;

import java.nio.file.Path;
import java.util.SortedMap;

/**
 * Everything that a result depends on, apart from the settings.
 *
 * @param version version of this program
 * @param model   folder of the model
 * @param engine  engine properties by name: backend, hash of the backend library, device, instruction set, dtype and
 *                others, but not the number of threads
 */
public record Provenance(String version, Path model, SortedMap<String, String> engine) {
}
