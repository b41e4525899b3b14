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
 * Items that a page browses, compressed and embedded in the page. There is an index with one line per item. The texts
 * of the items are in separate pieces, so that a browser unpacks only the pieces it shows. Index and texts are limited
 * in size. Items after the limit for texts have no texts; items after the limit for the index are left out.
 *
 * @param <I> type of an item's line in the index
 */
final class PackedItems<I> {
    /** Size of a piece before compression, in characters. */
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

    /** @param room approximate limit of the index and of the texts, each, in compressed characters */
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
     * @param line  makes the item's line of the index from the number of the piece with its texts
     * @param texts the texts of the item; one JSON value
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

    /** Makes a line of the index. Its argument is the number of the piece with the texts, or null if there is none. */
    interface Line<I> {
        I in(Integer piece);
    }

    /** A line of a piece: the number of the item, and its texts. */
    private record Texts(int n, Object texts) {
    }

    int items() {
        return items;
    }

    /** Number of items in the index, which are the first ones. */
    int listed() {
        return listed;
    }

    /** Number of items with texts, which are the first ones. */
    int opened() {
        return opened;
    }

    /** Writes all items into a page. Nothing can be added afterwards. */
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
            // Only flushed output counts towards the limit.
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
