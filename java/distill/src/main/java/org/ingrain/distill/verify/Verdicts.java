package org.ingrain.distill.verify;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.files.JsonLines;

/** The verdicts of a finished {@link Verification}, by example and path of the answer. */
public record Verdicts(Map<SampleKey, Verdict> all) {
    /** The verdicts of a run that does not verify its answers. */
    public static final Verdicts NONE = new Verdicts(Map.of());

    public static Verdicts read(Path file) {
        Map<SampleKey, Verdict> all = new HashMap<>();
        JsonLines.forEach(file, Verdict.class,
                verdict -> all.put(new SampleKey(verdict.id(), verdict.path()), verdict));
        return new Verdicts(all);
    }

    public Optional<Verdict> of(String id, String path) {
        return Optional.ofNullable(all.get(new SampleKey(id, path)));
    }
}
