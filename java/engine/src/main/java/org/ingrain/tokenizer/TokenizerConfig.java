package org.ingrain.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;

/**
 * The settings of tokenizer_config.json, special_tokens_map.json and added_tokens.json.
 *
 * @param tokenizerClass class name in transformers, such as LlamaTokenizer; empty if the folder names no class
 * @param bosToken       the text of BOS
 * @param withoutBos     whether the tokenizer has no BOS, so that an id of BOS in config.json is ignored. This is
 *                       possible only if no file has a text for bos_token. In addition, bos_token must be null in
 *                       tokenizer_config.json, or the class must be Qwen2Tokenizer
 * @param addBosToken    whether BOS is prepended
 * @param legacy         for LlamaTokenizer: if true, a space is prepended to every part between special tokens; if
 *                       false, a space is prepended only to the first part
 * @param addPrefixSpace whether a space is prepended to a text; always true if {@code legacy} is true, as in
 *                       transformers' slow tokenizer
 * @param addedTokens    tokens for which the tokenizer searches a text before it encodes the rest of the text
 * @param specialTokens  see {@link Tokenizer#specialTokens}
 */
record TokenizerConfig(String tokenizerClass, Optional<String> bosToken, boolean withoutBos,
        Optional<String> eosToken, Optional<Boolean> addBosToken, boolean legacy, boolean addPrefixSpace,
        List<AddedToken> addedTokens, Map<String, Object> specialTokens) {
    private static final String ADDITIONAL = "additional_special_tokens";
    private static final List<String> NAMES = List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
            "cls_token", "mask_token");

    /**
     * An added token. The tokenizer first searches the text for added tokens and then encodes the text between them.
     *
     * @param singleWord whether the token is matched only as a whole word
     * @param lstrip     whether the match includes the white space before the token
     * @param rstrip     whether the match includes the white space after the token
     */
    record AddedToken(int id, String content, boolean special, boolean singleWord, boolean lstrip,
            boolean rstrip) {
        /** Creates a token for which {@code singleWord}, {@code lstrip} and {@code rstrip} are false. */
        static AddedToken of(int id, String content, boolean special) {
            return new AddedToken(id, content, special, false, false, false);
        }
    }

    static TokenizerConfig read(Path folder) {
        Path file = folder.resolve("tokenizer_config.json");
        JsonFields fields = Files.exists(file) ? JsonFields.read(file) : JsonFields.empty(file.toString());
        Path map = folder.resolve("special_tokens_map.json");
        JsonFields specials = Files.exists(map) ? JsonFields.read(map) : JsonFields.empty(map.toString());
        String tokenizerClass = fields.text("tokenizer_class", "");
        Optional<String> bos = token(fields, "bos_token").or(() -> token(specials, "bos_token"));
        boolean withoutBos = bos.isEmpty() && (isQwen2(tokenizerClass) || fields.names().contains("bos_token"));
        boolean legacy = fields.flag("legacy", true);
        return new TokenizerConfig(tokenizerClass, bos, withoutBos,
                token(fields, "eos_token").or(() -> token(specials, "eos_token")), fields.has("add_bos_token")
                ? Optional.of(fields.flag("add_bos_token", true)) : Optional.empty(), legacy,
                legacy || fields.flag("add_prefix_space", true), addedTokens(folder, fields),
                specialTokens(List.of(specials, fields)));
    }

    /** Whether the class is Qwen2Tokenizer or Qwen2TokenizerFast, which Qwen3 also uses. */
    boolean isQwen2() {
        return isQwen2(tokenizerClass);
    }

    private static boolean isQwen2(String tokenizerClass) {
        return tokenizerClass.startsWith("Qwen2Tokenizer");
    }

    /** Reads the text of a token. The field of the file contains a string, or an object with the field content. */
    private static Optional<String> token(JsonFields fields, String field) {
        if (!fields.has(field)) {
            return Optional.empty();
        }
        return Optional.of(fields.node(field).isObject() ? fields.object(field).text("content") : fields.text(field));
    }

    /** Reads the named special tokens. If several files name a token, the last file in the list takes precedence. */
    private static Map<String, Object> specialTokens(List<JsonFields> files) {
        Map<String, Object> tokens = new TreeMap<>();
        for (JsonFields fields : files) {
            NAMES.forEach(name -> token(fields, name).ifPresent(text -> tokens.put(name, text)));
            for (String extra : List.of("extra_special_tokens", "model_specific_special_tokens")) {
                if (fields.has(extra) && fields.node(extra).isObject()) {
                    JsonFields named = fields.object(extra);
                    named.names().forEach(name -> token(named, name).ifPresent(text -> tokens.put(name, text)));
                }
            }
            if (fields.has(ADDITIONAL) && fields.node(ADDITIONAL).isArray()) {
                tokens.put(ADDITIONAL, fields.node(ADDITIONAL).valueStream()
                        .map(token -> token.path("content").asString(token.asString(""))).toList());
            }
        }
        return tokens;
    }

    private static List<AddedToken> addedTokens(Path folder, JsonFields fields) {
        List<AddedToken> tokens = new ArrayList<>();
        Path file = folder.resolve("added_tokens.json");
        if (Files.exists(file)) {
            JsonFields added = JsonFields.read(file);
            added.names().forEach(content -> tokens.add(
                    AddedToken.of(added.integer(content), content, false)));
        }
        if (fields.has("added_tokens_decoder")) {
            JsonFields decoder = fields.object("added_tokens_decoder");
            for (String id : decoder.names()) {
                tokens.add(addedToken(id, decoder.object(id)));
            }
        }
        return tokens;
    }

    private static AddedToken addedToken(String id, JsonFields token) {
        try {
            return new AddedToken(Integer.parseUnsignedInt(id), token.text("content"), token.flag("special", false),
                    token.flag("single_word", false), token.flag("lstrip", false), token.flag("rstrip", false));
        } catch (NumberFormatException wrong) {
            throw new InputException(token.where() + ": the token's id is not a number");
        }
    }
}
