package org.ingrain.tokenizer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Small artificial tokenizers for tests. */
public final class TinyTokenizers {
    private TinyTokenizers() {
    }

    /**
     * A tokenizer.model like Llama 2's: {@code <unk>, <s>, </s>}, then 256 byte pieces from id 3 on, then "▁", "a",
     * "b", "▁a", "ab", "▁ab" and "é" from id 259 on.
     */
    public static Path sentencePiece(Path folder) throws IOException {
        var model = new ByteArrayOutputStream();
        piece(model, "<unk>", 0, 2);
        piece(model, "<s>", 0, 3);
        piece(model, "</s>", 0, 3);
        for (int b = 0; b < 256; b++) {
            piece(model, "<0x%02X>".formatted(b), 0, 6);
        }
        float score = -10;
        for (String text : List.of("▁", "a", "b", "▁a", "ab", "▁ab", "é")) {
            piece(model, text, score++, 1);
        }
        // trainer_spec: model_type BPE with byte_fallback. normalizer_spec: identity with add_dummy_prefix, keeps white
        // space.
        message(model, 2, new byte[] {3 << 3, 2, (byte) 0x98, 2, 1});
        var normalizer = new ByteArrayOutputStream();
        message(normalizer, 1, "identity".getBytes(StandardCharsets.UTF_8));
        normalizer.writeBytes(new byte[] {3 << 3, 1, 4 << 3, 0, 5 << 3, 1});
        message(model, 3, normalizer.toByteArray());
        return Files.write(folder.resolve("tokenizer.model"), model.toByteArray());
    }

    /**
     * A byte-level tokenizer.json: {@code <|begin|>, <|end|>, <|pad|>}, and from id 3 on, the 256 bytes as the
     * characters by which GPT-2 represents them.
     */
    public static Path byteLevel(Path folder) throws IOException {
        var vocab = new StringBuilder();
        var added = new StringBuilder();
        List<String> specials = List.of("<|begin|>", "<|end|>", "<|pad|>");
        for (int i = 0; i < specials.size(); i++) {
            vocab.append("\"%s\":%d,".formatted(specials.get(i), i));
            added.append(
                    ("{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                            + "\"normalized\":false,"
                    + "\"special\":true}%s").formatted(i, specials.get(i), i == 2 ? "" : ","));
        }
        int next = 0x100;
        for (int b = 0; b < 0x100; b++) {
            boolean itself = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            vocab.append("\"\\u%04x\":%d%s".formatted(itself ? b : next++, 3 + b, b == 0xFF ? "" : ","));
        }
        return Files.writeString(folder.resolve("tokenizer.json"), """
                {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],"normalizer":null,
                "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
                "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|begin|>","type_id":0}},
                {"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
                "special_tokens":{"<|begin|>":{"id":"<|begin|>","ids":[0],"tokens":["<|begin|>"]}}},
                "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
                "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
                "fuse_unk":false,"byte_fallback":false,"vocab":{%s},"merges":[]}}""".formatted(added, vocab));
    }

    /**
     * A tokenizer.json like Llama 2's, with the ids of {@link #sentencePiece}. Its post-processor adds BOS, a space is
     * added before every part of a text, and characters without a piece become bytes.
     */
    public static Path llama2Json(Path folder) throws IOException {
        var vocab = new StringBuilder();
        List<String> pieces = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (int b = 0; b < 256; b++) {
            pieces.add("<0x%02X>".formatted(b));
        }
        pieces.addAll(List.of("▁", "a", "b", "▁a", "ab", "▁ab", "é"));
        for (int id = 0; id < pieces.size(); id++) {
            vocab.append("\"%s\":%d%s".formatted(pieces.get(id), id, id == pieces.size() - 1 ? "" : ","));
        }
        String special =
                "{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                        + "\"normalized\":false,\"special\":true}";
        String added = special.formatted(0, "<unk>") + "," + special.formatted(1, "<s>") + ","
                + special.formatted(2, "</s>");
        return Files.writeString(folder.resolve("tokenizer.json"), """
                {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],
                "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
                {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,
                "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
                {"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
                "special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
                "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
                {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
                "model":{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,
                "fuse_unk":true,"byte_fallback":true,"vocab":{%s},"merges":["▁ ab","a b","▁ a"]}}""".formatted(added, vocab));
    }

    private static void piece(ByteArrayOutputStream model, String text, float score, int kind) {
        var piece = new ByteArrayOutputStream();
        message(piece, 1, text.getBytes(StandardCharsets.UTF_8));
        piece.write(2 << 3 | 5);
        piece.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(score).array());
        piece.writeBytes(new byte[] {3 << 3, (byte) kind});
        message(model, 1, piece.toByteArray());
    }

    private static void message(ByteArrayOutputStream out, int field, byte[] content) {
        out.write(field << 3 | 2);
        out.write(content.length);
        out.writeBytes(content);
    }
}
