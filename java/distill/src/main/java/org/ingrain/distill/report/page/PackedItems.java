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
 * The items of a list that a reader can browse, compressed and embedded in the page. An index has one line for each
 * item. The texts of the items are in separate pieces, so that the browser decompresses only the pieces that it shows.
 * The index and the texts each have a size limit. Items beyond the limit of the texts are listed without texts; items
 * beyond the limit of the index are omitted.
 *
 * @param <I> type of a line of the index
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

    /** @param room approximate maximum number of compressed characters, for the index and for the texts separately */
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
     * @param line  makes the line of the item in the index
     * @param texts the texts of the item; they are written as one JSON value
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

    /**
     * Makes the line of an item in the index. The argument is the number of the piece that contains the item's texts,
     * or null if the page omits these texts.
     */
    interface Line<I> {
        I in(Integer piece);
    }

    /** A line of a piece: the number of an item and the texts of this item. */
    private record Texts(int n, Object texts) {
    }

    int items() {
        return items;
    }

    /** Number of items in the index. The index has the items that were added first. */
    int listed() {
        return listed;
    }

    /** Number of items with texts. The items that were added first have texts. */
    int opened() {
        return opened;
    }

    /** Returns the index and all pieces as script elements. No item can be added after this call. */
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
            // The limit is compared with the compressed size, and only flushed lines are included in that size.
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
