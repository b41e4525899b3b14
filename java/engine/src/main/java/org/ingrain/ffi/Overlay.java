package org.ingrain.ffi;

import java.nio.file.Path;
import java.util.List;

/**
 * A library whose ops replace those of a backend.
 *
 * @param library the shared library, linked to the backend
 * @param source  the file that the user named, either the library or its source; messages name this file
 * @param ops     names of ops in {@code ingrain.h}; the library must export at least one of these ops
 */
public record Overlay(Path library, Path source, List<String> ops) {
}
