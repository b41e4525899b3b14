package org.ingrain.ffi;

import java.nio.file.Path;
import java.util.List;

/**
 * A library whose kernels stand in for a backend's own.
 *
 * @param library the shared library, linked to the backend it runs beside
 * @param source  the file that the user named, which messages name too: the library itself, or what it was compiled
 *                from
 * @param ops     names of the header that are looked for in it; at least one must be there
 */
public record Overlay(Path library, Path source, List<String> ops) {
}
