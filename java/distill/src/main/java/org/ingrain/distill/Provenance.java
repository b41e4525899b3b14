package org.ingrain.distill;

import java.nio.file.Path;
import java.util.SortedMap;

/**
 * What computes: everything besides the settings that a result depends on.
 *
 * @param version of this code
 * @param model   the model's folder
 * @param engine  backend, its library's hash, device, instruction set, dtype and the like, by name; not the number of
 *                threads
 */
public record Provenance(String version, Path model, SortedMap<String, String> engine) {
}
