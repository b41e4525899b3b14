package org.ingrain.distill.report.page;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.ingrain.files.Json;

/**
 * Something to look through in a page, small enough to be in it: an index, a line for each item, and apart from it the
 * items' texts in pieces, so that a browser unpacks only what is opened. All of it is compressed, and bounded: where
 * the room for texts is used up, later items have none, and where that for the index is, later items are left out. The
 * numbers of each are known.
 *
 * @param <I> an item's line in the index
 */
final class PackedItems<I> {
    /** Of a piece, before it is compressed. */
    private static final int PIECE = 1 << 18;

    private final int room;
    private final ByteArrayOutputStream index = new ByteArrayOutputStream();
    private final GZIPOutputStream indexLines;
    private final List<String> pieces = new ArrayList<>();
    private final StringBuilder piece = new StringBuilder();
    private long used;
    private int items;
    private int listed;
    private int opened;

    /** @param room most characters that index and texts may take each, about */
    PackedItems(int room) {
        this.room = room;
        try {
            indexLines = new GZIPOutputStream(index, 1 << 16, true);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Adds an item.
     *
     * @param line  of the index, which says in which piece and where in it the texts stand, or nothing of it
     * @param texts to be opened; one JSON value
     */
    void add(Line<I> line, Object texts) {
        items++;
        if (listed < items - 1 || Math.ceilDiv(index.size(), 3) * 4L > room) {
            return;
        }
        listed++;
        boolean fits = opened == items - 1 && used < room;
        write(Json.line(line.in(fits ? pieces.size() : null)));
        if (fits) {
            opened++;
            piece.append(piece.isEmpty() ? "" : "\n").append(Json.line(new Texts(items - 1, texts)));
            if (piece.length() > PIECE) {
                endPiece();
            }
        }
    }

    /** A line of the index, once it is known which piece has the texts: null for none. */
    interface Line<I> {
        I in(Integer piece);
    }

    /** A line of a piece: the number of the item, and what is to be seen of it. */
    private record Texts(int n, Object texts) {
    }

    int items() {
        return items;
    }

    /** Items that are in the index: the first ones. */
    int listed() {
        return listed;
    }

    /** Items whose texts are there: the first ones. */
    int opened() {
        return opened;
    }

    /** Writes what was added into a page; nothing can be added after it. */
    Markup end(String name) {
        try {
            indexLines.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        endPiece();
        Markup page = new Markup();
        page.leaf("script", Base64.getEncoder().encodeToString(index.toByteArray()), "type", "application/gzip", "id",
                name + "-index");
        for (int i = 0; i < pieces.size(); i++) {
            page.leaf("script", pieces.get(i), "type", "application/gzip", "id", name + "-" + i);
        }
        return page;
    }

    private void write(String line) {
        try {
            indexLines.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            // Only what is flushed is counted against the room.
            if (listed % 64 == 0) {
                indexLines.flush();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void endPiece() {
        if (piece.isEmpty()) {
            return;
        }
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write(piece.toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        pieces.add(Base64.getEncoder().encodeToString(packed.toByteArray()));
        used += pieces.getLast().length();
        piece.setLength(0);
    }
}
