package org.ingrain.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** The pieces of a tokenizer by id; ids may have gaps. */
final class Vocabulary {
    private final List<Piece> pieces = new ArrayList<>();
    private final Map<String, Integer> ids = new HashMap<>();

    /**
     * One token.
     *
     * @param text    as the vocabulary spells it
     * @param special left out of text where special tokens are skipped
     */
    record Piece(String text, boolean special) {
    }

    /** Adds a piece; a later one of the same id replaces the earlier. */
    void add(int id, String text, boolean special) {
        while (pieces.size() <= id) {
            pieces.add(null);
        }
        pieces.set(id, new Piece(text, special));
        ids.put(text, id);
    }

    int size() {
        return pieces.size();
    }

    /** The piece of an id, or null where the id names none. */
    Piece piece(int id) {
        return id >= 0 && id < pieces.size() ? pieces.get(id) : null;
    }

    Optional<String> text(OptionalInt id) {
        return id.isEmpty() ? Optional.empty() : Optional.ofNullable(piece(id.getAsInt())).map(Piece::text);
    }

    OptionalInt id(String text) {
        Integer id = ids.get(text);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }
}
