package org.ingrain.distill.model;

import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * An answerer that is created when it is first used. A stage whose texts already exist, or that only reads files,
 * therefore loads no weights. Not thread-safe.
 */
public final class LazyAnswerer implements Answerer {
    private final Supplier<Answerer> opener;
    private Answerer opened;

    public LazyAnswerer(Supplier<Answerer> opener) {
        this.opener = opener;
    }

    @Override
    public void open() {
        if (opened == null) {
            opened = opener.get();
            opened.open();
        }
    }

    @Override
    public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
        open();
        opened.answer(first, done);
    }

    @Override
    public SortedMap<String, Long> fallbacks() {
        return opened == null ? Collections.emptySortedMap() : opened.fallbacks();
    }

    @Override
    public SortedSet<String> generators() {
        return opened == null ? Collections.emptySortedSet() : opened.generators();
    }

    @Override
    public void close() {
        if (opened != null) {
            opened.close();
        }
    }
}
