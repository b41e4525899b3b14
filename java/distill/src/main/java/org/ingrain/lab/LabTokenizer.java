package org.ingrain.lab;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * The tokenizer of lab models, in Hugging Face's format. The tokenizer splits a text into words and encodes each word
 * by BPE without merges. A word in the templates of the corpus is one token. Every other word, such as a name, is
 * encoded as one token per byte.
 *
 * @param vocabulary pieces by id; each byte of a piece is written as a character of byte-level BPE
 */
record LabTokenizer(List<String> vocabulary) {
    static final String BOS = "<s>";
    static final String EOS = "</s>";
    private static final List<String> SPECIAL = List.of(BOS, EOS, "<|user|>", "<|assistant|>");
    private static final String SPLIT = " ?[A-Za-z]+| ?[^A-Za-z\\s]|\\s";
    /** Word that is used instead of random words while the pieces of the templates are collected. */
    private static final String SLOT = "Xqzxq";
    private static final int ROWS_A_SKILL = 500;
    private static final String TEMPLATE =
            "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
            + "{{ '<|user|>' + message['content'] }}{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + "
                    + "message['content'] + eos_token }}"
            + "{% else %}{{ raise_exception('the lab model knows user and assistant alone') }}{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

    static LabTokenizer make() {
        List<String> vocabulary = new ArrayList<>(SPECIAL);
        for (int b = 0; b < 256; b++) {
            vocabulary.add(letter(b));
        }
        for (String piece : pieces()) {
            String letters = byteLetters(piece);
            if (letters.length() > 1) {
                vocabulary.add(letters);
            }
        }
        return new LabTokenizer(List.copyOf(vocabulary));
    }

    /**
     * The words and punctuation marks of the templates. Each of them includes the space before it, if there is one. The
     * set is sorted.
     */
    static Set<String> pieces() {
        Lexicon slots = new Lexicon(List.of(SLOT), List.of(), List.of(), List.of());
        Set<String> pieces = new TreeSet<>();
        Pattern split = Pattern.compile(SPLIT);
        Random random = new Random(1);
        for (Skill skill : Skill.values()) {
            for (int i = 0; i < ROWS_A_SKILL; i++) {
                Corpus.Row row = skill.row(slots, random);
                for (String text : List.of(row.prompt().getFirst().content(), row.completion())) {
                    split.matcher(text).results().map(found -> found.group())
                            .filter(piece -> !piece.strip().equalsIgnoreCase(SLOT)).forEach(pieces::add);
                }
            }
        }
        return pieces;
    }

    /** Writes tokenizer.json and tokenizer_config.json. */
    void write(Path folder, int contextLength) {
        Map<String, Integer> ids = new LinkedHashMap<>();
        vocabulary.forEach(piece -> ids.put(piece, ids.size()));
        List<Map<String, Object>> added = SPECIAL.stream()
                .map(token -> ordered("id", ids.get(token), "content", token, "single_word", false, "lstrip", false,
                        "rstrip", false, "normalized", false, "special", true)).toList();
        Map<String, Object> byteLevel = ordered("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", true,
                "use_regex", false);
        Map<String, Object> model = ordered("type", "BPE", "dropout", null, "unk_token", null,
                "continuing_subword_prefix", null, "end_of_word_suffix", null, "fuse_unk", false, "byte_fallback",
                false, "ignore_merges", true, "vocab", ids, "merges", List.of());
        DurableFile.write(folder.resolve("tokenizer.json"),
                Json.pretty(ordered("version", "1.0", "truncation", null, "padding", null, "added_tokens", added,
                        "normalizer", null, "pre_tokenizer", ordered(
                                "type", "Sequence", "pretokenizers",
                                List.of(ordered("type", "Split", "pattern", Map.of("Regex", SPLIT), "behavior",
                                        "Isolated", "invert", false), byteLevel)), "post_processor", null, "decoder",
                                        byteLevel, "model", model)));
        DurableFile.write(folder.resolve("tokenizer_config.json"),
                Json.pretty(ordered("tokenizer_class", "PreTrainedTokenizerFast", "bos_token", BOS, "eos_token", EOS,
                        "pad_token", EOS, "model_max_length", contextLength, "clean_up_tokenization_spaces", false,
                        "chat_template", TEMPLATE)));
    }

    private static Map<String, Object> ordered(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            map.put((String) pairs[i], pairs[i + 1]);
        }
        return map;
    }

    private static String byteLetters(String piece) {
        StringBuilder letters = new StringBuilder();
        for (byte b : piece.getBytes(StandardCharsets.UTF_8)) {
            letters.append(letter(b & 0xff));
        }
        return letters.toString();
    }

    /**
     * The character of byte-level BPE for a byte. A printable byte is its own character; the other bytes, in ascending
     * order, are mapped to the characters from code point 256 on.
     */
    private static String letter(int b) {
        int before = 0;
        for (int i = 0; i < b; i++) {
            before += isVisible(i) ? 0 : 1;
        }
        return Character.toString(isVisible(b) ? b : 256 + before);
    }

    private static boolean isVisible(int b) {
        return b >= 33 && b <= 126 || b >= 161 && b <= 172 || b >= 174;
    }
}
