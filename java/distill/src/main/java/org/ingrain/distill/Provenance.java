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
 * @param teacher the teacher, if it is not the base model; else null
 */
public record Provenance(String version, Path model, SortedMap<String, String> engine, Teacher teacher) {
    /**
     * A teacher that is not the base model.
     *
     * @param name     name for human readers
     * @param identity the known properties on which the teacher's texts depend: digests of files, or URL and name of
     *                 the model
     */
    public record Teacher(String name, SortedMap<String, String> identity) {
    }

    /** A provenance in which the base model is the teacher. */
    public Provenance(String version, Path model, SortedMap<String, String> engine) {
        this(version, model, engine, null);
    }

    /** A copy with this teacher. */
    public Provenance with(Teacher other) {
        return new Provenance(version, model, engine, other);
    }
}
