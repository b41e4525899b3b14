package org.ingrain.fuzz;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/** The format of a target's files. Edits keep the format, so that most edited files pass the reader's first checks. */
enum Format {
    BYTES {
        @Override
        byte[] edit(byte[] file, Cursor edits) {
            return ByteEdits.edit(file, edits);
        }
    },
    JSON {
        @Override
        byte[] edit(byte[] file, Cursor edits) {
            return JsonEdits.edit(new String(file, StandardCharsets.UTF_8), edits).getBytes(StandardCharsets.UTF_8);
        }
    },
    JSON_LINES {
        @Override
        byte[] edit(byte[] file, Cursor edits) {
            List<String> lines = new ArrayList<>(new String(file, StandardCharsets.UTF_8).lines().toList());
            int line = edits.below(Math.max(1, lines.size()));
            switch (edits.below(8)) {
                case 0 -> lines.add(line, lines.isEmpty() ? "" : lines.get(line));
                case 1 -> lines.subList(line, Math.min(line + 1, lines.size())).clear();
                default -> {
                    if (!lines.isEmpty()) {
                        lines.set(line, JsonEdits.edit(lines.get(line), edits));
                    }
                }
            }
            return (String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8);
        }
    },
    /** Edits only the JSON header and then updates the header's length, which precedes the header. */
    SAFETENSORS {
        @Override
        byte[] edit(byte[] file, Cursor edits) {
            ByteBuffer whole = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
            int length = (int) whole.getLong();
            byte[] header = JSON.edit(Arrays.copyOfRange(file, Long.BYTES, Long.BYTES + length), edits);
            return ByteBuffer.allocate(file.length - length + header.length).order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length).put(header)
                    .put(file, Long.BYTES + length, file.length - Long.BYTES - length)
                    .array();
        }
    },
    GZIP {
        @Override
        byte[] edit(byte[] file, Cursor edits) {
            try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(file))) {
                return zip(JSON_LINES.edit(in.readAllBytes(), edits));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    },
    /** A line with the name of a file, followed by the content of the file. Edits only the content. */
    NAMED {
        @Override
        byte[] edit(byte[] file, Cursor edits) {
            int end = Math.min(lineEnd(file) + 1, file.length);
            String name = new String(file, 0, end, StandardCharsets.UTF_8).strip().split(" ", 2)[0];
            byte[] content = (name.endsWith(".jsonl") ? JSON_LINES : JSON)
                    .edit(Arrays.copyOfRange(file, end, file.length), edits);
            return ByteBuffer.allocate(end + content.length).put(file, 0, end).put(content).array();
        }
    };

    /** The index of the first line feed, or the length of the file if there is none. */
    static int lineEnd(byte[] file) {
        int end = 0;
        while (end < file.length && file[end] != '\n') {
            end++;
        }
        return end;
    }

    /** Returns an edited copy of a complete file of this format. */
    abstract byte[] edit(byte[] file, Cursor edits);

    static byte[] zip(byte[] content) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }
}
