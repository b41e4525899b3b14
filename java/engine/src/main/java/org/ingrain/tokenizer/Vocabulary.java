package org.ingrain.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.ingrain.tensor.InputException;

/** The pieces of a tokenizer by id. Some ids may have no piece. */
final class Vocabulary {
    static final int LARGEST = 1 << 24;

    private final String where;
    private final List<Piece> pieces = new ArrayList<>();
    private final Map<String, Integer> ids = new HashMap<>();

    /**
     * One token.
     *
     * @param text    text of the token in the vocabulary
     * @param special whether the token is special, so that decoding can skip it
     */
    record Piece(String text, boolean special) {
    }

    /** @param where name of the file, for error messages */
    Vocabulary(String where) {
        this.where = where;
    }

    /** Adds a piece. If the id already has a piece, that piece is replaced. */
    void add(int id, String text, boolean special) {
        if (id < 0 || id > LARGEST) {
            throw new InputException(where + ": token '" + text + "' has the id " + id + ", expected 0 to " + LARGEST);
        }
        while (pieces.size() <= id) {
            pieces.add(null);
        }
        pieces.set(id, new Piece(text, special));
        ids.put(text, id);
    }

    int size() {
        return pieces.size();
    }

    /** The piece of an id; null if the id has no piece. */
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
